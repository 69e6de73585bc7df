"""How much memory a model takes here: shown before it is loaded, and before a byte of its weights is fetched."""

from programs import MODEL, Daemon


def test_the_memory_that_is_shown_is_that_of_the_loaded_model(own):
    need = own.json("show", MODEL)["memory"]
    daemon = Daemon(own.home).start()
    with daemon.client() as client:
        client.post("/api/generate", json={"model": MODEL}).raise_for_status()
        (loaded,) = client.get("/api/ps").json()["models"]
    daemon.stop()
    assert (loaded["size"], loaded["context_length"]) == (need["total"], need["context"])
    assert need["total"] == need["weights"] + need["cache"] and need["fits"]


def test_the_settings_of_the_daemon_count(own):
    before = own.json("show", MODEL)["memory"]
    (own.home / "server.yaml").write_text("context: 256\nkv: 64MiB\nmemory: 100MiB\n")
    need = own.json("show", MODEL)["memory"]
    assert need["context"] == 256 and need["cache"] < before["cache"] and need["limit"] == 100 << 20 and not need["fits"]
    assert "it does not fit" in own("show", MODEL).stdout
    (own.home / "server.yaml").unlink()


def test_a_pull_says_it_before_the_download(pulling):
    for text in ("hf:tests/tiny-gguf", "hf:tests/split"):
        said = pulling("pull", text).stderr
        assert said.index("Memory:  3.1 MB of ") < said.index("downloading"), said
        assert "for 128 tokens)" in said and "does not fit" not in said
    assert not list((pulling.home / "cache").glob("description-*"))


def test_a_pull_warns_of_a_model_that_does_not_fit(pulling):
    (pulling.home / "server.yaml").write_text("memory: 2MiB\n")
    run = pulling("pull", "hf:tests/tiny-gguf")
    assert run.returncode == 0 and "Memory:  3.1 MB of 2.1 MB" in run.stderr and "it does not fit" in run.stderr
