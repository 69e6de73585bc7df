"""Mixtures of experts that are larger than `memory`: served from the disk where that can be done, else refused with the reason."""

import re
import sys

import pytest
from programs import ROOT, Daemon, Mlx, small_disk

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import random_models  # noqa: E402

EXPERTS = random_models.Experts(32, 2, 512)
MIXTURE = random_models.Shape(
    "qwen3moe", "qwen2", layers=2, dim=256, heads=4, kv_heads=2, head_dim=64, hidden=512, vocabulary=512, qk_norm="head", context=512,
    experts=EXPERTS, keys=(("expert_feed_forward_length", "add_uint32", 512),),
)  # fmt: skip
DENSE = random_models.Shape("qwen3", "qwen2", layers=2, dim=256, heads=4, kv_heads=2, head_dim=64, hidden=16384, vocabulary=512, qk_norm="head", context=512)
# 52 MB of experts, of which a token reads 3, and a KV cache of at most 4 MiB.
LITTLE, PLENTY = "kv: 4M\nmemory: 24M\n", "kv: 4M\nmemory: 200M\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths by name: two mixtures, and a model without experts of about their size."""
    folder, paths = tmp_path_factory.mktemp("models"), {}
    for seed, (name, shape) in enumerate({"one": MIXTURE, "other": MIXTURE, "dense": DENSE}.items()):
        paths[name] = str(folder / f"{name}.gguf")
        random_models.write(paths[name], shape, random_models.np.float16, seed)
    return paths


def ask(daemon, model, **options):
    body = {"model": model, "prompt": "a b c d e f g", "raw": True, "stream": False, "options": {"temperature": 0, "num_predict": 12, **options}}
    with daemon.client() as client:
        return client.post("/api/generate", json=body)


def loaded(daemon):
    with daemon.client() as client:
        return {model["name"]: model for model in client.get("/mlxr/status").json()["models"]}


def answer_with(home, config, model):
    daemon = Daemon(home, config).start()
    answer = ask(daemon, model)
    assert answer.status_code == 200, answer.text
    (state,) = loaded(daemon).values()
    assert daemon.stop() == 0
    return answer.json()["response"], state, daemon.log()


def test_its_answer_is_that_of_a_model_in_memory(home, models):
    """Also where this is the first load, which makes the repacked weights."""
    said, state, log = answer_with(home, LITTLE, models["one"])
    assert state["paged"] and state["active_weights"] < 8e6 < 50e6 < state["weights"]
    assert re.search(r"The weights take 49 MiB, more than the 20 MiB of memory .* a token reads \d MiB of them, .* read from disk", log), log
    again, state, _ = answer_with(home, PLENTY, models["one"])
    assert again == said and not state["paged"]
    assert answer_with(home, LITTLE, models["one"])[0] == said


def test_its_part_of_the_limit_is_what_a_token_reads(home, models):
    """Both fit beside each other, and a third time as much does not."""
    daemon = Daemon(home, "kv: 4M\nmemory: 24M\n").start()
    for name in ("one", "other"):
        assert ask(daemon, models[name]).status_code == 200
    assert len(loaded(daemon)) == 2
    assert daemon.stop() == 0
    daemon = Daemon(home, "kv: 4M\nmemory: 12M\n").start()
    for name in ("one", "other"):
        assert ask(daemon, models[name]).status_code == 200
    assert len(loaded(daemon)) == 1 and "to make room" in daemon.log()
    assert daemon.stop() == 0


def test_a_reload_after_an_idle_time_is_the_same(home, models):
    """Its file is not read again for its checksums; a file that was damaged meanwhile is noticed all the same."""
    daemon = Daemon(home, LITTLE).start()
    said = [ask(daemon, models["one"]).json()["response"]]
    for damage in (False, True):
        with daemon.client() as client:
            client.post("/api/generate", json={"model": models["one"], "keep_alive": 0}).raise_for_status()
        assert not loaded(daemon)
        if damage:
            (kept,) = (home / "cache").glob("*.panels")
            with kept.open("r+b") as file:
                file.seek(1 << 20)
                file.write(bytes(1 << 16))
        said.append(ask(daemon, models["one"]).json()["response"])
    assert said == said[:1] * 3
    assert daemon.stop() == 0


# ollama/ollama#12615 and lmstudio-bug-tracker#1378: where it could not be mapped, it was read into memory, and the machine ran out of it.
@pytest.mark.parametrize(
    "setting, reason",
    [("cache: 0", "no folder where repacked weights are kept"), ("cache: 10M", "Raise `cache` in server.yaml"), ("kernels: mlx", "kernel pack is not in use")],
)
def test_where_it_cannot_be_kept_it_is_refused_with_the_reason(home, models, setting, reason):
    daemon = Daemon(home, f"{LITTLE}{setting}\n").start()
    refused = ask(daemon, models["one"])
    assert refused.status_code == 507 and not loaded(daemon)
    assert re.search(r"one.gguf needs \d+ MiB .* the limit is 24 MiB", refused.json()["error"]), refused.text
    assert "Its experts cannot be read from disk when they are needed: " in refused.json()["error"] and reason in refused.json()["error"]
    assert daemon.stop() == 0


def test_a_disk_without_room(home, models):
    with small_disk(home / "cache", "16M"):
        daemon = Daemon(home, LITTLE).start()
        refused = ask(daemon, models["one"])
        assert refused.status_code == 507 and re.search(r"The repacked weights take 49 MiB, and the disk of .* has 1\d MiB free", refused.text), refused.text
        assert daemon.stop() == 0


# lmstudio-bug-tracker#1631: what a model was said to need did not depend on what could be done about it.
def test_a_context_that_does_not_fit_beside_it_is_refused_with_both_numbers(home, models):
    daemon = Daemon(home, "kv: 4M\nmemory: 5M\n").start()
    refused = ask(daemon, models["one"])
    assert refused.status_code == 507 and "Ask for a smaller context" in refused.text and "cannot be read" not in refused.text
    assert daemon.stop() == 0


def test_a_model_without_experts_is_refused_as_ever(home, models):
    daemon = Daemon(home, LITTLE).start()
    refused = ask(daemon, models["dense"])
    assert refused.status_code == 507
    assert refused.json()["error"].endswith("and the limit is 24 MiB. Ask for a smaller context, or raise `memory` in server.yaml.")
    assert daemon.stop() == 0


# lmstudio-bug-tracker#1038: "requires approximately NaN undefined of memory".
def test_the_need_is_told_before_it_is_loaded(home, models):
    mlx = Mlx(home)
    for config, fits, paged, words in (
        (PLENTY, True, False, r"\d+ MB of 210 MB \(weights 5\d\.?\d* MB, cache up to [\d.]+ MB for 512 tokens\)$"),
        (LITTLE, True, True, r"[\d.]+ MB of 25\.\d MB \([\d.]+ MB of 5\d\.?\d* MB of weights, .*: larger than memory, experts .* are read from disk"),
        (LITTLE + "cache: 10M\n", False, False, r": it does not fit\. Its experts cannot be read from disk .* Raise `cache` in server.yaml"),
        ("kv: 4M\nmemory: 5M\n", False, True, r": it does not fit$"),
    ):
        (home / "server.yaml").write_text(config)
        need = mlx.json("show", models["one"])["memory"]
        assert (need["fits"], need["paged"]) == (fits, paged), config
        assert need["total"] == (need["active"] if paged else need["weights"]) + need["cache"]
        assert re.search(words, mlx("show", models["one"]).stdout, re.MULTILINE), mlx("show", models["one"]).stdout
