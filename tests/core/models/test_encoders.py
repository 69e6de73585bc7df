"""Embeddings and scores: small files with random weights, through the engine, against llama.cpp."""

import dataclasses
import json
import os
import subprocess

import mlx.core as mx
import numpy as np
import pytest
from real_models import BUILD, MODELS, VARIANTS, run_variant  # it puts tests/reference on the path
import random_models
from bert import Bert
from encoder_folders import pool, unit
from folder_models import tokenizer
from peer import peer_embeddings
from random_models import Encoder, Experts, Shape


BERT = Shape("bert", "default", layers=3, dim=96, heads=3, kv_heads=3, head_dim=32, hidden=160, vocabulary=512, context=700, layer_norms=True, norm_biases=True, norms_before=False, plain_mlp=True, all_biases=True, eps=1e-12, encoder=Encoder(positions=True, types=2, norms_sums=True), keys=(("attention.causal", "add_bool", False), ("pooling_type", "add_uint32", 1)))
NOMIC = dataclasses.replace(BERT, architecture="nomic-bert", plain_mlp=False, all_biases=False, fused=False, encoder=Encoder(types=1, norms_sums=True))
MODERN = Shape("modern-bert", "default", layers=5, dim=96, heads=3, kv_heads=3, head_dim=32, hidden=160, vocabulary=512, context=700, rope_base=160000.0, window=64, layer_norms=True, encoder=Encoder(first_norm=False, final_norm=True), fused=True, keys=(("attention.causal", "add_bool", False), ("pooling_type", "add_uint32", 2), ("rope.freq_base_swa", "add_float32", 10000.0)))
GEMMA = Shape("gemma-embedding", "default", layers=7, dim=128, heads=4, kv_heads=1, head_dim=64, hidden=256, vocabulary=512, context=700, rope_base=1e6, window=64, norms_after=True, qk_norm="head", eps=1e-6, keys=(("attention.causal", "add_bool", False), ("pooling_type", "add_uint32", 1)))
QWEN3 = Shape("qwen3", "qwen2", layers=3, dim=128, heads=4, kv_heads=2, head_dim=32, hidden=320, vocabulary=512, context=700, qk_norm="head", eps=1e-6)


def pooled(shape, kind, *extra, labels=()):
    """With another pooling: 1 the mean, 2 the first, 3 the last row, 4 scores."""
    keys = tuple(key for key in shape.keys if key[0] != "pooling_type") + (("pooling_type", "add_uint32", kind),)
    keys += (("classifier.output_labels", "add_array", list(labels)),) if labels else ()
    return dataclasses.replace(shape, keys=keys, extra=extra)


def layer(name, outputs, inputs):
    return (name + ".weight", (outputs, inputs), 1 / inputs**0.5, 0.0), (name + ".bias", (outputs,), 0.5, 0.0)


DENSE = ("dense_2.weight", (192, 128), 0.1, 0.0), ("dense_3.weight", (128, 192), 0.1, 0.0)
FAMILIES = {
    "bert": BERT,
    "bert-first": pooled(BERT, 2),
    "nomic-bert": NOMIC,
    "nomic-bert-moe": dataclasses.replace(NOMIC, architecture="nomic-bert-moe", plain_mlp=True, layers=4, experts=Experts(count=8, used=2, hidden=160, every=2), keys=(*NOMIC.keys, ("moe_every_n_layers", "add_uint32", 2))),
    "modern-bert": MODERN,
    "modern-bert-mean": pooled(MODERN, 1),
    "gemma-embedding": GEMMA,
    "gemma-embedding-dense": dataclasses.replace(GEMMA, extra=DENSE, keys=(*GEMMA.keys, ("dense_2_feat_in", "add_uint32", 128), ("dense_2_feat_out", "add_uint32", 192), ("dense_3_feat_in", "add_uint32", 192), ("dense_3_feat_out", "add_uint32", 128))),
    "eurobert": dataclasses.replace(QWEN3, architecture="eurobert", qk_norm="", keys=(("attention.causal", "add_bool", False), ("pooling_type", "add_uint32", 1))),
    "qwen3": pooled(QWEN3, 3),  # Qwen3-Embedding
    "qwen3-mean": pooled(QWEN3, 1),
    "qwen2-two-sided": dataclasses.replace(QWEN3, architecture="qwen2", qk_norm="", biases=True, keys=(("attention.causal", "add_bool", False), ("pooling_type", "add_uint32", 1))),
}
CROSS_ENCODERS = {
    "bert": pooled(BERT, 4, *layer("cls", 96, 96), *layer("cls.output", 1, 96), labels=["score"]),
    "bert-three-labels": pooled(BERT, 4, *layer("cls", 96, 96), *layer("cls.output", 3, 96), labels=["a", "b", "c"]),
    "modern-bert": pooled(MODERN, 4, ("cls.weight", (96, 96), 0.1, 0.0), ("cls.norm.weight", (96,), 0.1, 1.0), *layer("cls.output", 1, 96), labels=["score"]),
    "qwen3": pooled(QWEN3, 4, ("cls.output.weight", (2, 128), 0.1, 0.0), labels=["yes", "no"]),  # Qwen3-Reranker
}
RANDOM = np.random.default_rng(1)
TEXTS = [RANDOM.integers(0, 500, length).tolist() for length in (1, 9, 33, 150, 610)]


def embeddings(model, variant, *prompts):
    """Of prompts as embed_tool.cpp describes them, requested at once."""
    rows = [json.loads(line) for line in run_variant(variant, "embed_tool", model, variant, BUILD / "lib" / "kernels" / "cpu", *prompts).splitlines()]
    assert all(row["same"] for row in rows)  # and again gives the same
    return [np.array(row["values"]) for row in rows]


def ids(tokens):
    return "ids:" + ",".join(map(str, tokens))


def random_model(folder, name, shape):
    path = folder / f"{name}.gguf"
    random_models.write(path, shape, np.float32)
    return path


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    path = random_model(tmp_path_factory.mktemp("random"), request.param, FAMILIES[request.param])
    return path, peer_embeddings(path, "embedding", TEXTS)


@pytest.fixture(scope="module", params=CROSS_ENCODERS)
def cross_encoder(request, tmp_path_factory):
    path = random_model(tmp_path_factory.mktemp("random"), request.param, CROSS_ENCODERS[request.param])
    return path, peer_embeddings(path, "ranking", TEXTS)


# GELU is its tanh approximation in llama.cpp, and that by a table of float16; ours is the one that the models were trained with. And the cache of
# keys is float16 here.
ARITHMETIC = 0.003


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_embeddings_agree_with_llama_cpp(family, variant):
    path, expected = family
    for tokens, ours, theirs in zip(TEXTS, embeddings(path, variant, *map(ids, TEXTS)), expected):
        assert np.linalg.norm(ours) == pytest.approx(1, abs=1e-5)
        difference = np.linalg.norm(ours - theirs / np.linalg.norm(theirs))
        print(f"{path.name} {variant}, {len(tokens)} tokens: distance {difference:.5f}")
        assert difference < ARITHMETIC


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_scores_agree_with_llama_cpp(cross_encoder, variant):
    path, expected = cross_encoder
    ours = embeddings(path, variant, *map(ids, TEXTS))
    for tokens, scores, theirs in zip(TEXTS, ours, expected):
        print(f"{path.name} {variant}, {len(tokens)} tokens: {scores} and {theirs}")
        assert len(scores) == len(theirs)
        assert np.abs(scores - theirs).max() < ARITHMETIC
    assert np.abs(np.diff(np.array(ours)[:, 0])).max() > 10 * ARITHMETIC  # else this shows nothing


def random_bert(folder, model_type="bert", offset=0, types=2, **changes):
    """A folder as Hugging Face publishes one, with random weights, and the same in NumPy."""
    dim, heads, hidden, layers, vocabulary, context = 96, 3, 160, 2, 300, 128
    shapes = {"embeddings.word_embeddings.weight": (vocabulary, dim), "embeddings.position_embeddings.weight": (context + offset, dim), "embeddings.token_type_embeddings.weight": (types, dim)}
    linears = {"pooler.dense": (dim, dim), "classifier": (1, dim)} if changes else {}
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        name = f"encoder.layer.{layer}."
        linears |= {name + "attention.self." + part: (dim, dim) for part in ("query", "key", "value")}
        linears |= {name + "attention.output.dense": (dim, dim), name + "intermediate.dense": (hidden, dim), name + "output.dense": (dim, hidden)}
        norms += [name + "attention.output.LayerNorm", name + "output.LayerNorm"]
    shapes |= {name + ".weight": shape for name, shape in linears.items()} | {name + ".bias": (shape[0],) for name, shape in linears.items()}
    generator = np.random.default_rng(5)
    tensors = {name: generator.standard_normal(shape, np.float32) * np.float32(0.2) for name, shape in shapes.items()}
    for name in norms:
        tensors |= {name + ".weight": 1 + 0.1 * generator.standard_normal(dim, np.float32), name + ".bias": 0.1 * generator.standard_normal(dim, np.float32)}
    config = {"model_type": model_type, "architectures": ["BertModel"], "hidden_size": dim, "intermediate_size": hidden, "num_attention_heads": heads, "num_hidden_layers": layers, "vocab_size": vocabulary, "type_vocab_size": types, "max_position_embeddings": context + offset, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}
    (folder / "config.json").write_text(json.dumps(config | changes))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    extra = {"embeddings.position_ids": np.arange(context + offset, dtype=np.int64)[None]}
    named = {"bert." * (not name.startswith("classifier")) + name: mx.array(values) for name, values in (tensors | extra).items()}
    mx.save_safetensors(str(folder / "model.safetensors"), named)
    return Bert(tensors, heads, 1e-12, offset)


# Ours rounds keys and values to float16.
ROUNDING = 2e-3
SHORT = [RANDOM.integers(0, 250, length).tolist() for length in (1, 5, 40, 128)]
BERTS = ["bert", "xlm-roberta"]
POOLINGS = {
    "not said": ({}, lambda rows: rows.mean(0)),
    "mean": ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda rows: rows.mean(0)),
    "first": ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda rows: rows[0]),
    "last": ({"pooling_mode_lasttoken": True}, lambda rows: rows[-1]),
    "by its new name": ({"pooling_mode": "cls"}, lambda rows: rows[0]),
}


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("kind", BERTS)
def test_a_folder_of_bert_agrees_with_its_formulas(kind, pooling, tmp_path):
    model = random_bert(tmp_path) if kind == "bert" else random_bert(tmp_path, kind, offset=2, types=1)
    modes, of_rows = POOLINGS[pooling]
    if modes:
        pool(tmp_path, **modes)
    for variant in "mlx", "scalar":
        for tokens, ours in zip(SHORT, embeddings(tmp_path, variant, *map(ids, SHORT))):
            assert np.linalg.norm(ours - unit(of_rows(model.rows(tokens)))) < ROUNDING


def test_a_cross_encoder_tells_the_texts_of_a_pair_apart(tmp_path):
    model = random_bert(tmp_path, architectures=["BertForSequenceClassification"], id2label={"0": "LABEL_0"})
    first, second = SHORT[1], SHORT[2]
    types = [0] * len(first) + [1] * len(second)

    def score(types):
        return model.linear("classifier", np.tanh(model.linear("pooler.dense", model.rows(first + second, types)[0])))

    pair = f"pair:{','.join(map(str, first))}|{','.join(map(str, second))}"
    for variant in "mlx", "scalar":
        ours = embeddings(tmp_path, variant, pair, ids(first + second))
        assert ours[0] == pytest.approx(score(types), abs=3 * ROUNDING) and ours[1] == pytest.approx(score(None), abs=3 * ROUNDING)
    assert abs(score(types) - score(None)) > 10 * ROUNDING  # else this shows nothing


REFUSED = {
    "maximum": (lambda folder: pool(folder, pooling_mode_max_tokens=True), "1_Pooling"),
    "two at once": (lambda folder: pool(folder, pooling_mode_cls_token=True, pooling_mode_mean_tokens=True), "1_Pooling"),
    "another module": (lambda folder: (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]'), "models.Dense"),
    "relative positions": (lambda folder: random_bert(folder, position_embedding_type="relative_key"), "position_embedding_type"),
    "another activation": (lambda folder: random_bert(folder, hidden_act="relu"), "relu"),
    "a decoder": (lambda folder: random_bert(folder, is_decoder=True), "is_decoder"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_change_an_embedding_is_refused_by_name(what, tmp_path):
    random_bert(tmp_path)
    change, name = REFUSED[what]
    change(tmp_path)
    run = subprocess.run([BUILD / "tests" / "embed_tool", tmp_path, "mlx", BUILD, "ids:1,2"], capture_output=True, text=True)
    assert run.returncode == 1 and name in run.stderr, run.stderr


MINILM = MODELS / "all-MiniLM-L6-v2"
SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
# https://sbert.net/docs/quickstart.html
SIMILARITIES = [[1.0000, 0.6660, 0.1046], [0.6660, 1.0000, 0.1411], [0.1046, 0.1411, 1.0000]]


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_sentences_of_the_documentation_are_as_similar_as_it_says(variant):
    """all-MiniLM-L6-v2, as it is published: a folder with sentence-transformers' files."""
    if not MINILM.exists():
        pytest.skip("all-MiniLM-L6-v2 is not in MLXR_TEST_MODELS (scripts/setup encoder puts it there)")
    ours = np.array(embeddings(MINILM, variant, *(f"text:{sentence}" for sentence in SENTENCES)))
    print(ours @ ours.T)
    assert np.abs(ours @ ours.T - SIMILARITIES).max() < 2e-4


def test_the_file_made_of_a_folder_is_the_same_model(tmp_path):
    """And llama.cpp, which reads the file only, makes the same of it."""
    if not MINILM.exists():
        pytest.skip("all-MiniLM-L6-v2 is not in MLXR_TEST_MODELS (scripts/setup encoder puts it there)")
    subprocess.run([BUILD / "bin" / "mlx", "import", MINILM, "--name", "made"], env={**os.environ, "MLXR_HOME": str(tmp_path)}, check=True, capture_output=True)
    (made,) = tmp_path.rglob("*.gguf")
    tokens = [101, 1996, 4633, 2003, 8403, 2651, 1012, 102]  # the first of SENTENCES
    (of_folder,), (of_file,), (of_text,) = (embeddings(model, "scalar", prompt) for model, prompt in ((MINILM, ids(tokens)), (made, ids(tokens)), (made, "text:" + SENTENCES[0])))
    assert np.array_equal(of_folder, of_file) and np.array_equal(of_text, of_file)
    (peer,) = peer_embeddings(made, "embedding", [tokens])
    assert np.linalg.norm(of_file - unit(peer)) < ARITHMETIC
