"""Models on disk: import, list, show, rm, pull. Also what --json prints, and that pipes get no colors."""

import hashlib
import json
import re
import signal
import time

import httpx
import pexpect
from programs import MODEL, MODEL_FILE, fill, small_disk


def test_import_list_show_rm(empty, sources):
    file = sources / "model.gguf"
    assert "No models installed" in empty("list").stdout
    run = empty("import", file, "--name", "tiny:1")
    assert run.returncode == 0 and str(file) in run.stdout
    assert empty("list", "-q").stdout == "tiny:1\n"
    listed, shown = empty.json("list")["models"], empty.json("show", "tiny")
    assert listed == [{key: value for key, value in shown.items() if key not in ("sampling", "memory")}] and shown["file"] == str(file) and shown["in_place"] and shown["context_length"] == 128
    people = empty("show", "tiny").stdout
    assert shown["sha256"] in people and "used in place" in people and "license         unknown" in people
    run = empty("rm", "tiny:1")
    assert run.returncode == 0 and file.exists() and empty.json("list")["models"] == []


def test_rm_goes_on_after_a_name_that_is_unknown(empty, sources):
    for name in ("one", "two"):
        assert empty("import", sources / "model.gguf", "--name", name).returncode == 0
    run = empty("rm", "one", "nosuch", "two")
    assert run.returncode == 3 and "nosuch" in run.stderr and run.stdout.count("Removed") == 2
    assert empty.json("list")["models"] == []


def test_a_removed_model_leaves_the_memory(own):
    assert own("run", MODEL, "Hello", "--max-tokens", "2").returncode == 0
    assert [model["name"] for model in own.json("ps")["models"]] == [MODEL]
    assert own("rm", MODEL).returncode == 0
    assert own.json("ps")["models"] == []


def test_a_name_that_is_taken(empty, sources, tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes((sources / "model.gguf").read_bytes())
    assert empty("import", sources / "model.gguf", "--name", "tiny").returncode == 0
    run = empty("import", other, "--name", "tiny")
    assert run.returncode == 1 and "taken" in run.stderr


def test_a_file_that_names_its_licence(mlx):
    assert mlx.json("show", MODEL)["license"] == "apache-2.0"


def test_table_columns_stand_below_each_other(empty, sources):
    for name in ("a", "a-much-longer-name:with-a-tag"):
        empty("import", sources / "model.gguf", "--name", name)
    head, *rows = empty("list").stdout.splitlines()
    assert len(rows) == 2 and all(row.index("unknown") == head.index("LICENSE") for row in rows)
    assert not any(line.endswith(" ") for line in (head, *rows))


def test_available(empty):
    names = empty("list", "--available", "-q").stdout.split()
    entries = empty.json("list", "--available")["models"]
    assert [entry["name"] for entry in entries if entry["runs"]] == names and MODEL in names and len(entries) >= 40
    people = " ".join(empty("list", "--available").stdout.split())
    for entry in entries:
        assert entry["name"] in people
        if not entry["runs"] or not entry["license"]:
            continue
        assert entry["license_summary"] in people and entry["license_url"] in people


def test_no_colours_without_a_terminal(mlx):
    runs = [mlx(*words) for words in (["list"], ["list", "--available"], ["show", MODEL], ["doctor"], ["show", "nothing"], ["pull", "gemma3:270m"])]
    assert not any("\033" in run.stdout + run.stderr for run in runs)


def test_colours_on_a_terminal_unless_unwanted(mlx):
    with mlx.on_terminal("show", MODEL) as shown:
        assert "\033[1m" in shown.read()
    mlx.environment["NO_COLOR"] = "1"
    with mlx.on_terminal("show", MODEL) as shown:
        assert "\033[" not in shown.read()
    del mlx.environment["NO_COLOR"]


def test_pull_shows_the_license_and_refuses_without_acceptance(empty):
    run = empty("pull", "gemma3:270m")
    assert run.returncode == 4 and empty.json("list")["models"] == []
    assert "Gemma Terms of Use" in run.stderr and "https://ai.google.dev/gemma/terms" in run.stderr and "--accept-license" in run.stderr


def test_run_does_not_pull_without_a_terminal(empty):
    run = empty("run", "gemma3:270m", "Hello")
    assert run.returncode == 3 and "mlx pull gemma3:270m --accept-license" in run.stderr


def test_run_does_not_offer_what_does_not_run(pulling):
    run = pulling("run", "test-foreign", "Hello")
    assert run.returncode == 13 and "does not run yet" in run.stderr and "mlx pull" not in run.stderr
    run = pulling("run", "embeddinggemma:300m", "Hello")
    assert run.returncode == 13 and "makes embeddings" in run.stderr and "mlx pull" not in run.stderr


def test_pull_with_acceptance(pulling):
    run = pulling("pull", "test:licensed", "--accept-license")
    assert run.returncode == 0 and "Test-1.0" in run.stderr and "SHA-256 verified" in run.stderr
    model = pulling.json("show", "test:licensed")
    assert model["license"] == "Test-1.0" and not model["in_place"]
    again = pulling("pull", "test:licensed")  # here already, and accepted before
    assert again.returncode == 0 and "is already installed" in again.stderr
    assert pulling("rm", "test:licensed").returncode == 0
    assert pulling("pull", "test:licensed").returncode == 0


def test_pull_asks_on_a_terminal(pulling):
    for answer, said, code in (("n", "not accepted", 4), ("y", "is installed", 0)):
        with pulling.on_terminal("pull", "test:licensed") as asked:
            asked.expect_exact("Do you accept this license? [y/N] ")
            asked.sendline(answer)
            asked.expect_exact(said)
            asked.expect(pexpect.EOF)
        assert asked.exitstatus == code


def test_pull_by_an_address(pulling, sources):
    base = (sources / "base").read_text()
    run = pulling("pull", f"{base}/good/model.gguf")
    said = " ".join(run.stderr.split())
    assert run.returncode == 0 and "does not know the license" in said and f"{base}/" in said
    assert "cannot verify what arrives" in said and "(not verified)" in said  # there is nothing to compare with
    assert pulling("list", "-q").stdout == "model\n"
    again = pulling("pull", f"{base}/good/model.gguf")
    assert again.returncode == 0 and "model is already installed" in again.stderr


def test_a_second_address_with_the_same_file_name(pulling, sources):
    base = (sources / "base").read_text()
    assert pulling("pull", f"{base}/good/model.gguf").returncode == 0
    other = pulling("pull", f"{base}/other/model.gguf")
    assert other.returncode == 1 and f"{base}/good/model.gguf" in other.stderr and "--name" in other.stderr
    named = pulling("pull", f"{base}/other/model.gguf", "--name", "other")
    assert named.returncode == 0, named.stderr
    assert pulling("list", "-q").stdout.split() == ["model", "other"]
    assert pulling("pull", f"{base}/other/model.gguf", "--name", "a/b").returncode == 2


def test_pull_from_the_hub(pulling, sources):
    run = pulling("pull", "hf:tests/tiny-gguf")
    assert run.returncode == 0 and "SHA-256 verified" in run.stderr and "License: apache-2.0" in run.stderr, run.stderr
    assert "Chose Q4_K_M of hf:tests/tiny-gguf. Also there: Q8_0, F16." in " ".join(run.stderr.split())
    assert pulling("list", "-q").stdout == "tiny:Q4_K_M\n"
    unclear = pulling("pull", "hf.co/tests/tiny-gguf:Q2_K")
    assert unclear.returncode == 3 and "It has: Q8_0" in unclear.stderr


def test_a_renewed_model_of_another_file_name_leaves_nothing_of_the_old_one(pulling, sources, tmp_path):
    """ollama#12221: the old file stayed on the disk, and no command knew it."""
    assert pulling("pull", "test:good").returncode == 0
    models = json.loads((sources / "catalogue.json").read_text())["models"]
    (good,) = (model for model in models if model["name"] == "test:good")
    (source,) = next(model for model in models if model["name"] == "test:corrupt")["sources"]  # it sends another file than it says
    file = httpx.get(source).content
    renewed = good | {"file": "renewed.gguf", "sources": [source], "size": len(file), "sha256": hashlib.sha256(file).hexdigest()}
    (tmp_path / "catalogue.json").write_text(json.dumps({"models": [renewed]}))
    pulling.environment["MLXR_CATALOGUE"] = str(tmp_path / "catalogue.json")
    run = pulling("pull", "test:good")
    assert run.returncode == 0 and "is an older file; it is replaced" in run.stderr, run.stderr
    assert sorted(file.name for file in pulling.home.rglob("*.gguf*")) == ["renewed.gguf", "renewed.gguf.sha256"]


def test_secrets_of_an_address_are_not_shown(pulling, sources):
    address = (sources / "base").read_text().replace("http://", "http://ada:lovelace@") + "/good/model.gguf?token=hf_secret"
    runs = [pulling("pull", address), pulling("show", "model"), pulling("list", "--json"), pulling("pull", address)]
    assert all(run.returncode == 0 for run in runs)
    assert not any(secret in run.stdout + run.stderr for run in runs for secret in ("lovelace", "hf_secret"))


def test_plain_http_needs_a_flag(pulling):
    refused = pulling("pull", "http://models.invalid/model.gguf")
    assert refused.returncode == 2 and "--insecure" in refused.stderr
    assert pulling("pull", "--insecure", "http://models.invalid/model.gguf").returncode == 5


def test_what_runs_and_fits_is_marked(pulling):
    lines = [line for line in pulling("list", "--available").stdout.splitlines() if "  " in line]  # the others name what does not run
    table = {line.split()[0]: line for line in lines if line.startswith(("test-", "llama3.2:"))}
    assert " no " in table["test-huge"] and " yes " in table["test-good"] and "Llama 3.2 Community License" in table["llama3.2:1b"]
    assert "test-foreign" not in table and "test-foreign" in pulling("list", "--available").stdout
    entries = {entry["name"]: entry for entry in pulling.json("list", "--available")["models"]}
    assert not entries["test-foreign"]["runs"] and not entries["test-huge"]["fits"] and entries["test-good"]["fits"]
    refused = pulling("pull", "test-foreign")
    assert refused.returncode != 0 and "mamba" in refused.stderr and "Nothing was downloaded" in refused.stderr


def test_pulls_that_fail(pulling):
    for model, code in {"test:missing": 3, "test:corrupt": 7, "test:nomember": 3}.items():
        run = pulling("pull", model)
        assert run.returncode == code and run.stderr.splitlines()[-1].startswith("mlx: "), run.stderr
    assert pulling.json("list")["models"] == []


def test_a_full_disk(pulling):
    with small_disk(pulling.home / "models", "2m") as disk:
        fill(disk, leave=500_000)
        run = pulling("pull", "test:good")
        assert run.returncode == 8 and "are free. Free some space and pull again." in run.stderr, "there is no model to remove"
        (disk / "filler").unlink()
        assert pulling("pull", "test:good").returncode == 0


def test_an_unknown_name_says_where_the_known_ones_are(empty):
    run = empty("pull", "nothing")
    assert run.returncode == 3 and "mlx list --available" in run.stderr


def test_an_interrupted_pull_goes_on(pulling):
    run = pulling.start("pull", "test:stalls")
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size for file in (pulling.home / "models").rglob("stalls.gguf")):
        assert time.monotonic() < deadline, "nothing arrived within a minute"
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    assert "Continue with the same command, or delete it with: mlx rm test:stalls" in run.communicate(timeout=60)[1] and run.returncode == 130
    (listed,) = pulling.json("list")["not_installed"]
    assert listed["name"] == "test:stalls" and listed["state"] == "unfinished download" and listed["size"] > 0
    people = pulling("list").stdout
    assert "test:stalls" in people and "To continue a download: mlx pull NAME. To remove it: mlx rm NAME" in people
    assert pulling("pull", "test:stalls").returncode == 0
    assert pulling.json("list")["not_installed"] == [] and "NOT INSTALLED" not in pulling("list").stdout


def test_progress_on_a_terminal_fits_its_width(pulling):
    for columns in (80, 30):
        with pulling.on_terminal("pull", "test:drops", columns=columns) as pull:
            said = pull.read()
        assert pull.wait() == 0
        bars = [line for line in re.split(r"[\r\n]+", re.sub(r"\033\[K", "", said)) if "%" in line]
        assert bars and all(len(bar) < columns for bar in bars)
        pulling("rm", "test:drops")


def test_progress_elsewhere_is_plain_lines(pulling):
    said = pulling("pull", "test:good").stderr
    assert "\r" not in said and "100%" in said


def test_show_takes_a_file_that_is_not_imported(empty, sources):
    shown = empty.json("show", str(sources / "model.gguf"))
    assert shown["context_length"] == 128 and shown["file"] == str(sources / "model.gguf")
    assert empty.json("list")["models"] == []
    run = empty("show", "./nosuch.gguf")
    assert run.returncode == 3 and "nosuch.gguf" in run.stderr


def test_the_starter_model_by_its_file(mlx):
    model = mlx.json("show", MODEL)
    assert model["file"] == str(MODEL_FILE) and model["architecture"] == "llama" and model["quantization"] == "Q4_1"
