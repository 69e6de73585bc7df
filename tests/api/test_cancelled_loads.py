"""A load that nobody waits for any more ends, and so does one that would hold up a stop."""

import os
import pathlib
import signal

import hostile_gguf as make
import pytest
from programs import wait_for
from test_models_in_memory import ask, bytes_read


def write_model(file, layers=6, dim=1024, hidden=8192, rows=258):
    """A model of zeros that takes a while to load, and no disk: its weights are a hole in the file."""
    shapes = {"token_embd.weight": [dim, rows], "output_norm.weight": [dim]}
    for layer in range(layers):
        of_layer = {"attn_norm": [dim], "ffn_norm": [dim], "ffn_gate": [dim, hidden], "ffn_up": [dim, hidden], "ffn_down": [hidden, dim]}
        of_layer |= {f"attn_{name}": [dim, dim] for name in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.{name}.weight": dims for name, dims in of_layer.items()}
    tensors, offset = [], 0
    for name, dims in shapes.items():
        tensors.append((name, dims, make.TYPE_F32, offset))
        offset += 4 * dims[0] * (dims[1] if len(dims) == 2 else 1)
    keys = {
        "general.architecture": (make.STRING, "llama"), "llama.block_count": (make.U32, layers), "llama.context_length": (make.U32, 128),
        "llama.embedding_length": (make.U32, dim), "llama.feed_forward_length": (make.U32, hidden), "llama.attention.head_count": (make.U32, 8),
        "llama.attention.layer_norm_rms_epsilon": (make.F32, 1e-5), "tokenizer.ggml.model": (make.STRING, "gpt2"),
        "tokenizer.ggml.pre": (make.STRING, "default"), "tokenizer.ggml.tokens": (make.ARRAY, (make.STRING, make.letters() + [make.MERGED, make.EOS])),
        "tokenizer.ggml.token_type": (make.ARRAY, (make.I32, [1] * 257 + [3])), "tokenizer.ggml.merges": (make.ARRAY, (make.STRING, ["a b"])),
        "tokenizer.ggml.eos_token_id": (make.U32, 257),
    }  # fmt: skip
    head = make.Gguf(keys=keys, tensors=tensors, data=b"").bytes()
    file.write_bytes(head)
    os.truncate(file, len(head) + offset)
    return file


@pytest.fixture
def loading(empty_daemon):
    """A daemon that is loading a model for one client: it has hashed the file, and reads it for the second time."""
    file = write_model(pathlib.Path(empty_daemon.home) / "zeros.gguf")
    before = bytes_read(empty_daemon)
    with ask(empty_daemon, file) as client:
        wait_for(lambda: bytes_read(empty_daemon) > before + file.stat().st_size + (32 << 20))
        yield empty_daemon, client


def kept_weights(daemon):
    return list((daemon.home / "cache").glob("*panels*"))


def test_a_load_ends_when_its_client_goes(loading):
    daemon, client = loading
    assert kept_weights(daemon)  # the file that is being made
    client.close()
    wait_for(lambda: not kept_weights(daemon))
    with daemon.client() as other:
        assert other.get("/api/ps").json()["models"] == []
    assert " loaded " not in daemon.log()


def test_a_stop_does_not_wait_for_a_load(loading):
    daemon, client = loading
    daemon.process.send_signal(signal.SIGTERM)  # one signal: nothing else cancels
    answer = client.recv(65536)
    assert b"499" in answer.split(b"\r\n")[0] and b"the model was not loaded" in answer
    assert daemon.process.wait(30) == 0
    assert " loaded " not in daemon.log() and "cancelled" not in daemon.log() and not kept_weights(daemon)
