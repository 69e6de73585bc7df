"""`mlx quantize FOLDER OUT mlx-4bit`: MLX folders, packed as MLX packs, which mlx-lm loads and which answer there as they do here."""

import json
import os
import subprocess

import numpy as np
import pytest
from folder_models import load_packed, logits_of, mx, parameters, write_bf16
from real_models import BUILD, logits
from test_folders import ARITHMETIC, FAMILIES, SQUARE, TOKENS

TYPES = {f"mlx-{bits}bit-{group}": (bits, group, "affine") for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)}
TYPES |= {"mlx-4bit": (4, 64, "affine"), "mlx-mxfp4": (4, 32, "mxfp4")}


def quantize(folder, output, kind, home):
    command = [BUILD / "bin" / "mlx", "quantize", folder, output, kind]
    return subprocess.run(command, env={**os.environ, "MLXR_HOME": str(home)}, capture_output=True, text=True)


@pytest.fixture
def made(tmp_path):
    """Makes an MLX folder of a family."""

    def make(family, kind):
        write_bf16(tmp_path / "model", family)
        run = quantize(tmp_path / "model", f"{tmp_path / 'packed'}/", kind, tmp_path / "home")
        assert run.returncode == 0, run.stderr
        return tmp_path / "model", tmp_path / "packed"

    return make


@pytest.mark.parametrize("kind", TYPES)
def test_bits_and_scales_are_those_of_mlx(kind, made):
    bits, group, mode = TYPES[kind]
    folder, packed = made(SQUARE, kind)
    config = json.loads((packed / "config.json").read_text())
    assert config == {**json.loads((folder / "config.json").read_text()), **{key: {"group_size": group, "bits": bits, "mode": mode} for key in ("quantization", "quantization_config")}}
    before, after = (mx.load(str(one / "model.safetensors")) for one in (folder, packed))
    for name, value in before.items():
        if value.ndim == 1:
            assert mx.array_equal(after.pop(name), value), name
            continue
        parts = mx.quantize(value, group_size=group, bits=bits, mode=mode)
        for part, expected in zip(("weight", "scales", "biases"), parts, strict=False):
            ours = after.pop(name.replace("weight", part))
            if mode == "mxfp4" and part == "weight":  # of two values that are equally near, MLX takes the even one on a GPU, and on a CPU the first
                errors = [mx.abs(mx.dequantize(bits_, parts[1], group_size=group, bits=bits, mode=mode).astype(mx.float32) - value) for bits_ in (ours, expected)]
                assert mx.array_equal(*errors), name
            else:
                assert ours.dtype == expected.dtype and mx.array_equal(ours, expected), (name, part)
    assert after == {}


# Rows that groups of 32 divide, and a square root that bfloat16 holds.
SHAPE = {"hidden_size": 256, "intermediate_size": 224, "num_attention_heads": 8, "head_dim": 32}
# Without phi3-longrope, whose factors are those of other heads, and a config.json that has another shape than its class is given.
FOLDERS = [name for name in FAMILIES if name not in ("phi3-longrope", "gemma3n-text-alone")]


def shaped(family):
    config = family.config.get("text_config", family.config)
    changes = dict(SHAPE)
    if "block_dim" in config:
        changes["block_dim"] = SHAPE["hidden_size"]
    if config.get("shared_intermediate_size") and not config["num_local_experts"]:
        changes["shared_intermediate_size"] = SHAPE["intermediate_size"]
    return family.but(text_config={**config, **changes}) if "text_config" in family.config else family.but(**changes)


@pytest.mark.parametrize("name", FOLDERS)
def test_mlx_lm_answers_as_we_do(name, made):
    family = shaped(FAMILIES[name])
    _, packed = made(family, "mlx-4bit-32")
    model = load_packed(packed, family)
    assert sum(name.endswith(".scales") for name in parameters(model)) >= 4
    expected = logits_of(model, family, TOKENS)
    difference = np.abs(logits(packed, "mlx", 17, TOKENS) - expected).max() / expected.std()
    print(f"{name} packed: largest difference {difference:.5f}")
    assert difference < ARITHMETIC


def test_experts_are_stacked_and_their_router_stays(made):
    folder, packed = made(FAMILIES["qwen3moe"].but(**SHAPE), "mlx-4bit-32")
    before, after = (mx.load(str(one / "model.safetensors")) for one in (folder, packed))
    stack = mx.stack([before[f"model.layers.2.mlp.experts.{i}.down_proj.weight"] for i in range(6)])
    for part, expected in zip(("weight", "scales", "biases"), mx.quantize(stack, group_size=32, bits=4), strict=True):
        assert mx.array_equal(after[f"model.layers.2.mlp.switch_mlp.down_proj.{part}"], expected)
    assert mx.array_equal(after["model.layers.2.mlp.gate.weight"], before["model.layers.2.mlp.gate.weight"])
    assert not any(".experts." in name for name in after)


def test_what_is_left_out_is_said(tmp_path):
    write_bf16(tmp_path / "model", FAMILIES["gemma3-with-vision"])
    run = quantize(tmp_path / "model", tmp_path / "packed", "mlx-4bit-32", tmp_path)
    assert run.returncode == 0 and "The parts that see or hear are left out." in run.stderr
    assert not any("vision" in name for name in mx.load(str(tmp_path / "packed" / "model.safetensors")))


def test_words_of_python_stay(made):
    _, packed = made(shaped(FAMILIES["granitehybrid"]), "mlx-4bit-32")
    assert '"time_step_limit": [\n    0.0,\n    Infinity\n  ]' in (packed / "config.json").read_text()


def test_what_stays_as_it_is_is_said(tmp_path):
    write_bf16(tmp_path / "model", SQUARE.but(intermediate_size=200))
    run = quantize(tmp_path / "model", tmp_path / "packed", "mlx-4bit", tmp_path)
    assert run.returncode == 0 and "4 tensors have rows whose length is not a multiple of 64: they stay as they are." in run.stderr


REFUSED = {
    "file": (lambda folder: folder.write_bytes(b"GGUF"), "is not a model folder"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_written_is_refused_by_name(what, tmp_path):
    make, says = REFUSED[what]
    make(tmp_path / "model")
    run = quantize(tmp_path / "model", tmp_path / "packed", "mlx-4bit", tmp_path)
    assert run.returncode != 0 and says in run.stderr, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_packed_folder_is_not_packed_again(made, tmp_path):
    _, packed = made(SQUARE, "mlx-8bit")
    run = quantize(packed, tmp_path / "again", "mlx-4bit", tmp_path)
    assert run.returncode != 0 and "is quantized" in run.stderr


def test_a_value_that_is_no_number_leaves_nothing(tmp_path):
    write_bf16(tmp_path / "model", SQUARE)
    file = str(tmp_path / "model" / "model.safetensors")
    weights = mx.load(file)
    weights["model.layers.1.mlp.up_proj.weight"][3, 1] = float("nan")
    mx.save_safetensors(file, weights)
    run = quantize(tmp_path / "model", tmp_path / "packed", "mlx-4bit", tmp_path)
    assert run.returncode != 0 and "'model.layers.1.mlp.up_proj.weight' holds a value that is infinite or not a number" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_there_is_never_replaced(tmp_path):
    write_bf16(tmp_path / "model", SQUARE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("Dear")
    run = quantize(tmp_path / "model", tmp_path / "mine", "mlx-4bit", tmp_path)
    assert run.returncode != 0 and "exists. Name a folder that does not exist" in run.stderr
    assert (tmp_path / "mine" / "letter").read_text() == "Dear"
