"""One set of real weights in the other forms that models come in: as a mixture of identical experts, as a folder of safetensors, as an MLX
folder. Each must answer as the model in GGUF does, as far as its own rounding allows.

The kernel pack rounds activations to 8 bits, so that a last bit that differs somewhere becomes a difference of this size (test_logits.py says
why): ROUNDING, as the root mean square in parts of the logits' standard deviation.
"""

import dataclasses
import json
import os
import subprocess

import numpy as np
import pytest
from gguf import GGUFReader, GGUFValueType, GGUFWriter, quants
from real_models import BUILD, MODELS, error_of, logits

NAME = "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf"
TEXT = """# Sorting
A list is sorted when each of its items is at most as large as the next one. Insertion sort takes one item after the other and moves it to
its place among those before it. It needs about n * n / 4 comparisons, so it is used for short lists only, for example by quicksort.

def insertion_sort(items):
    for i in range(1, len(items)):
        item, j = items[i], i
        while j > 0 and items[j - 1] > item:
            items[j] = items[j - 1]
            j -= 1
        items[j] = item
    return items

The capital of France is Paris, and Berlin is the capital of Germany. Water boils at 100 degrees Celsius at sea level."""
CHUNK = 64

ROUNDING = 0.04  # measured: 0.019 for the mixture, 0.018 for float16
SAME_LOSS = 0.01  # in nats for a token; measured: 0.0015 and 0.0031
FOUR_BITS_MORE = 0.15  # weights that are rounded once more, to groups of 64 with 4 bits; measured: 0.073


@dataclasses.dataclass
class Dense:
    path: str
    reader: GGUFReader
    tokens: list
    logits: np.ndarray


def encoded(model, text=TEXT):
    data = text.encode()
    run = subprocess.run([BUILD / "tests" / "encode_texts", model], input=b"--" + len(data).to_bytes(4, "little") + data, capture_output=True, check=True)
    return [int(number) for number in run.stdout.split(b"\t")[0].split()]


def computed(model, tokens):
    """On the fastest variant of the kernel pack that this machine has."""
    return logits(model, "auto", CHUNK, tokens)


def loss(rows, tokens):
    """Mean negative log likelihood of each token after those before it: the logarithm of the perplexity."""
    rows = rows[:-1].astype(np.float64)
    most = rows.max(1, keepdims=True)
    return float(np.mean(np.log(np.exp(rows - most).sum(1)) + most[:, 0] - rows[np.arange(len(rows)), tokens[1:]]))


@pytest.fixture(scope="module")
def dense():
    path = MODELS / NAME
    if not path.exists():
        pytest.skip(f"{NAME} is not in MLXR_TEST_MODELS (scripts/setup stronger-model puts it there)")
    tokens = encoded(path)
    return Dense(path, GGUFReader(path), tokens, computed(path, tokens))


# As a mixture of experts: four copies of each FFN, of which a router of random weights chooses two, and a shared expert of zeros.
EXPERTS, USED, SHARED = 4, 2, 256


def write_mixture(reader, path):
    writer = GGUFWriter(path, "qwen2moe")
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF.", "general.architecture")):
            sub_type = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(name.replace("qwen2.", "qwen2moe."), field.contents(), field.types[0], sub_type)
    hidden = reader.fields["qwen2.feed_forward_length"].contents()
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(USED)
    writer.add_expert_weights_norm(True)
    writer.add_expert_feed_forward_length(hidden)
    writer.add_expert_shared_feed_forward_length(SHARED)
    random = np.random.default_rng(1)
    for tensor in reader.tensors:
        part = tensor.name.split(".")
        if part[2:3] not in (["ffn_gate"], ["ffn_up"], ["ffn_down"]):
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        block = ".".join(part[:2])
        writer.add_tensor(f"{block}.{part[2]}_exps.weight", np.stack([tensor.data] * EXPERTS), raw_dtype=tensor.tensor_type)
        dim = tensor.shape[0] if part[2] != "ffn_down" else tensor.shape[1]
        writer.add_tensor(f"{block}.{part[2]}_shexp.weight", np.zeros((SHARED, dim) if part[2] != "ffn_down" else (dim, SHARED), np.float16))
        if part[2] == "ffn_gate":
            writer.add_tensor(f"{block}.ffn_gate_inp.weight", random.normal(0, 1, (EXPERTS, dim)).astype(np.float32))
            writer.add_tensor(f"{block}.ffn_gate_inp_shexp.weight", random.normal(0, 1, dim).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# As Hugging Face publishes it.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    **{f"attn_{name}": f"self_attn.{name}_proj" for name in "qkv"},
    "attn_output": "self_attn.o_proj",
    **{f"ffn_{name}": f"mlp.{name}_proj" for name in ("gate", "up", "down")},
}
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
NORMAL, CONTROL = 1, 3


def published(name):
    *block, kind, last = name.split(".")
    return ".".join(([f"model.layers.{block[1]}"] if block else []) + [NAMES[kind], last])


def config_of(reader):
    def value(key):
        return reader.fields["qwen2." + key].contents()

    return {
        "model_type": "qwen2",
        "hidden_act": "silu",
        "vocab_size": len(reader.fields["tokenizer.ggml.tokens"].data),
        "num_hidden_layers": value("block_count"),
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "max_position_embeddings": value("context_length"),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "rope_theta": value("rope.freq_base"),
        "tie_word_embeddings": False,
    }


def tokenizer_of(reader):
    tokens, types, merges = (reader.fields["tokenizer.ggml." + name].contents() for name in ("tokens", "token_type", "merges"))
    added = [{"id": i, "content": tokens[i], "special": types[i] == CONTROL, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False} for i in range(len(tokens)) if types[i] != NORMAL]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": False}, {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {tokens[i]: i for i in range(len(tokens)) if types[i] == NORMAL}, "merges": merges},
    }


def write_folder(reader, folder):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config_of(reader)))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_of(reader)))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>", "chat_template": reader.fields["tokenizer.chat_template"].contents()}))
    header, at = {}, 0
    for tensor in reader.tensors:
        shape = tensor.shape[::-1].tolist()
        size = 2 * int(np.prod(shape))
        header[published(tensor.name)] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in reader.tensors:
            file.write(quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float16).tobytes())


@pytest.fixture(scope="module")
def folder(dense, tmp_path_factory):
    path = tmp_path_factory.mktemp("folder") / "model"
    write_folder(dense.reader, path)
    yield path
    (path / "model.safetensors").unlink()  # a gigabyte


def test_a_mixture_of_identical_experts_answers_as_the_dense_model(dense, tmp_path):
    write_mixture(dense.reader, tmp_path / "mixture.gguf")
    got = computed(tmp_path / "mixture.gguf", dense.tokens)
    (tmp_path / "mixture.gguf").unlink()
    assert_same(got, dense, "mixture")


def test_a_folder_in_float16_answers_as_the_gguf(dense, folder):
    assert encoded(folder) == dense.tokens
    assert_same(computed(folder, dense.tokens), dense, "float16")


def assert_same(got, dense, name):
    cost, _ = error_of(got, dense.logits)
    more = loss(got, dense.tokens) - loss(dense.logits, dense.tokens)
    print(f"{name}: error {cost:.4f}, loss {more:+.4f}")
    assert cost < ROUNDING and abs(more) < SAME_LOSS


def test_an_mlx_folder_in_4_bits_answers_within_quantization(dense, folder, tmp_path):
    command = [BUILD / "bin" / "mlx", "quantize", folder, f"{tmp_path / 'packed'}/", "mlx-4bit"]
    run = subprocess.run(command, env={**os.environ, "MLXR_HOME": str(tmp_path / "home")}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert encoded(tmp_path / "packed") == dense.tokens
    got = computed(tmp_path / "packed", dense.tokens)
    (tmp_path / "packed" / "model.safetensors").unlink()
    before, after = loss(dense.logits, dense.tokens), loss(got, dense.tokens)
    print(f"4 bits: error {error_of(got, dense.logits)[0]:.3f}, loss {before:.3f} before and {after:.3f} after")
    assert after - before < FOUR_BITS_MORE
