"""Folders that other programs refused or misread, by the public report of it. Each is what its reporter had, made small."""

import json

import numpy as np
import pytest
from folder_models import mx, write, write_packed
from gguf import GGUFReader
from real_models import logits
from test_folders import ARITHMETIC, FAMILIES, LFM2, LLAMA, SQUARE, TOKENS, run_import

WEIGHTS = "model.safetensors"


def change(folder, name, **keys):
    file = folder / name
    config = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**config, **keys}))


def change_weights(folder, update):
    weights = mx.load(str(folder / WEIGHTS))
    mx.eval(weights)
    update(weights)
    mx.save_safetensors(str(folder / WEIGHTS), weights)


def in_shards(folder, count, index_of=None):
    """The weights in `count` files, and an index as of a folder with `index_of` of them."""
    weights = sorted(mx.load(str(folder / WEIGHTS)).items())
    mx.eval([value for _, value in weights])
    for i in range(count):
        mx.save_safetensors(str(folder / f"model-{i + 1:05}-of-{count:05}.safetensors"), dict(weights[i::count]))
    (folder / WEIGHTS).unlink()
    if index_of:
        names = {name: f"model-{i % index_of + 1:05}-of-{index_of:05}.safetensors" for i, (name, _) in enumerate(weights)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def without(folder, name, *keys):
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({key: value for key, value in config.items() if key not in keys}))


# Of the model and what its reporter's folder differs in: it runs.
RUN = {
    "mlx-vlm-624-index-of-another-conversion": (LLAMA, lambda folder: in_shards(folder, 2, 5)),
    "mlx-serve-465-index-of-fewer-shards": (LLAMA, lambda folder: in_shards(folder, 5, 2)),
    "omlx-2096-no-index": (LLAMA, lambda folder: in_shards(folder, 3)),
    "mlx-lm-722-a-head-that-is-the-embeddings": (LLAMA, lambda folder: change_weights(folder, lambda weights: weights.update({"lm_head.weight": mx.zeros((300, 144))}))),
    "mlx-lm-661-extra-special-tokens-in-a-list": (LLAMA, lambda folder: change(folder, "tokenizer_config.json", extra_special_tokens=["<|end|>"], tokenizer_class="TokenizersBackend")),
    "mlx-engine-156-keys-without-a-value": (LLAMA, lambda folder: change(folder, "config.json", rope_scaling=None, sliding_window=None, max_window_layers=None)),
    "unsloth-zoo-1004-a-width-under-one-of-two-keys": (LFM2, lambda folder: without(folder, "config.json", "block_ff_dim")),
    "omlx-37-what-sees-within-the-language-model": (
        FAMILIES["qwen3vl"],
        lambda folder: change_weights(folder, lambda weights: weights.update({"language_model.vision_tower.blocks.0.attn.proj.bias": mx.zeros((4,))})),
    ),
    "mlx-lm-1240-packed-keys-that-nobody-reads": (
        FAMILIES["gemma4"],
        lambda folder: change_weights(folder, lambda weights: weights.update({f"model.language_model.layers.5.self_attn.{name}": mx.zeros((4, 4)) for name in ("k_proj.scales", "v_proj.biases", "k_norm.weight")})),
    ),
    "mlx-engine-282-a-projector-without-biases": (
        FAMILIES["gemma3-with-vision"],
        lambda folder: change_weights(folder, lambda weights: weights.update({f"multi_modal_projector.linear_1.{part}": mx.zeros((4, 4), kind) for part, kind in (("weight", mx.uint32), ("scales", mx.uint8))})),
    ),
}  # fmt: skip


@pytest.mark.parametrize("report", RUN)
def test_reported_folders_run(report, tmp_path):
    family, differ = RUN[report]
    folder = tmp_path / "model"
    expected = write(folder, family, TOKENS)
    differ(folder)
    assert np.abs(logits(folder, "mlx", 17, TOKENS) - expected).max() < ARITHMETIC * expected.std()


def test_mlx_examples_367_a_head_that_is_not_packed(tmp_path):
    """config.json does not say so; the tensors do."""
    expected = write_packed(tmp_path / "model", SQUARE.but(tie_word_embeddings=False), TOKENS, {"bits": 4, "group_size": 64, "mode": "affine"}, {"lm_head": False})
    for key in ("quantization", "quantization_config"):
        change(tmp_path / "model", "config.json", **{key: {"bits": 4, "group_size": 64}})
    assert np.abs(logits(tmp_path / "model", "mlx", 17, TOKENS) - expected).max() < ARITHMETIC * expected.std()


def test_sglang_32279_a_download_that_ended_early(tmp_path):
    write(tmp_path / "model", LLAMA, TOKENS[:2])
    in_shards(tmp_path / "model", 3, 3)
    (tmp_path / "model" / "model-00002-of-00003.safetensors").unlink()
    run, file = run_import(tmp_path / "model", tmp_path / "home")
    assert run.returncode != 0 and "names the file 'model-00002-of-00003.safetensors', which the folder does not have" in run.stderr
    assert file is None


def metadata(folder, home):
    run, file = run_import(folder, home)
    assert run.returncode == 0, run.stderr
    return {name: field.contents() for name, field in GGUFReader(file).fields.items() if name.startswith("tokenizer.")}


def test_mlx_lm_1414_an_end_that_only_the_tokenizer_names(tmp_path):
    """generation_config.json names another token. Both end an answer."""
    write(tmp_path / "model", LLAMA, TOKENS[:2])
    change(tmp_path / "model", "generation_config.json", eos_token_id=[1])
    keys = metadata(tmp_path / "model", tmp_path / "home")
    assert (keys["tokenizer.ggml.eos_token_id"], keys["tokenizer.ggml.eot_token_id"]) == (288, 1)


def test_transformers_js_1662_a_chat_template_of_the_processor(tmp_path):
    write(tmp_path / "model", LLAMA, TOKENS[:2])
    change(tmp_path / "model", "chat_template.json", chat_template="{{ messages[0]['content'] }}")
    assert metadata(tmp_path / "model", tmp_path / "home")["tokenizer.chat_template"] == "{{ messages[0]['content'] }}"


def test_llama_cpp_14252_a_text_ends_with_another_token_than_an_answer(tmp_path):
    """Qwen3-Embedding: its rows are pooled from the token that only the post-processor has."""
    write(tmp_path / "model", LLAMA, TOKENS[:2])
    tokenizer = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    special = {**tokenizer["added_tokens"][0], "id": 289, "content": "<|endoftext|>"}
    template = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}], "pair": [], "special_tokens": {}}
    processors = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}, template]}
    change(tmp_path / "model", "tokenizer.json", added_tokens=[*tokenizer["added_tokens"], special], post_processor=processors)
    keys = metadata(tmp_path / "model", tmp_path / "home")
    assert (keys["tokenizer.ggml.eos_token_id"], keys["tokenizer.ggml.add_eos_token"], keys["tokenizer.ggml.eot_token_id"]) == (289, True, 288)


def test_tokens_that_no_answer_has(tmp_path):
    """Numbers that are no tokens are passed over."""
    write(tmp_path / "model", LLAMA, TOKENS[:2])
    change(tmp_path / "model", "generation_config.json", suppress_tokens=[7, 5, 258880])
    assert metadata(tmp_path / "model", tmp_path / "home")["tokenizer.ggml.suppress_tokens"] == [7, 5]
