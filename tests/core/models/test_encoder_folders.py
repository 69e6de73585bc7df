"""Folders of models that make embeddings: against the classes of mlx-embeddings and mlx-lm, and the files made of them against llama.cpp."""

import json

import numpy as np
import pytest
from encoder_folders import ENCODERS, MODERNBERT, MODERNBERT_SCORES, add_dense, list_modules, make, mx, pooled, rows_of_class, unit
from folder_models import build, load_packed, parameters, save
from peer import peer_embeddings
from real_models import VARIANTS
from test_encoders import ARITHMETIC, ROUNDING, embeddings, ids
from test_folders import run_import
from test_mlx_folders import quantize
from test_reported_folders import change, change_weights

RANDOM = np.random.default_rng(2)
TEXTS = [RANDOM.integers(0, 280, length).tolist() for length in (1, 7, 40, 150)]


@pytest.fixture(scope="module", params=ENCODERS)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders") / request.param
    embedding = make(folder, ENCODERS[request.param])
    return folder, [embedding(tokens) for tokens in TEXTS]


def distances(model, variant, expected):
    ours = embeddings(model, variant, *map(ids, TEXTS))
    return [np.linalg.norm(one - theirs) for one, theirs in zip(ours, expected, strict=True)]


@pytest.mark.parametrize("variant", ["mlx", *VARIANTS])
def test_embeddings_agree(made, variant):
    folder, expected = made
    found = distances(folder, variant, expected)
    print(f"{folder.name} {variant}: distances {found}")
    assert max(found) < ROUNDING


def test_llama_cpp_agrees_on_the_file(made, tmp_path):
    folder, expected = made
    run, file = run_import(folder, tmp_path)
    assert run.returncode == 0, run.stderr
    assert max(distances(file, "scalar", expected)) < ROUNDING
    for theirs, ours in zip(peer_embeddings(file, "embedding", TEXTS), expected, strict=True):
        assert np.linalg.norm(ours - unit(theirs)) < ARITHMETIC


def test_llama_cpp_has_the_windows_of_embeddinggemma(tmp_path):
    """Half of each lies before a token, and half after it."""
    embedding = make(tmp_path / "model", ENCODERS["embeddinggemma"])
    change(tmp_path / "model", "config.json", sliding_window=64)
    run, file = run_import(tmp_path / "model", tmp_path / "home")
    assert run.returncode == 0, run.stderr
    (theirs,) = peer_embeddings(file, "embedding", TEXTS[-1:])
    (ours,) = embeddings(tmp_path / "model", "mlx", ids(TEXTS[-1]))
    assert np.linalg.norm(ours - unit(theirs)) < ARITHMETIC
    assert np.linalg.norm(ours - embedding(TEXTS[-1])) > 10 * ARITHMETIC  # else this shows nothing


@pytest.mark.parametrize("kind", ["Q8_0", "mlx-8bit-32"])
def test_quantized_models_are_near(made, kind, tmp_path):
    """Each with the pooling and the layers behind it."""
    folder, expected = made
    output = tmp_path / ("model.gguf" if kind == "Q8_0" else "model")
    run = quantize(folder, output, kind, tmp_path / "home")
    assert run.returncode == 0, run.stderr
    found = distances(output, "mlx", expected)
    print(f"{folder.name} {kind}: distances {found}")
    assert max(found) < 0.05


@pytest.mark.parametrize("name", ["modernbert-first", "qwen3-embedding"])
def test_mlx_embeddings_answers_as_we_do(name, tmp_path):
    """On the MLX folder that is made of another."""
    encoder = ENCODERS[name]
    make(tmp_path / "model", encoder, mx.bfloat16)
    run = quantize(tmp_path / "model", tmp_path / "packed", "mlx-4bit-32", tmp_path / "home")
    assert run.returncode == 0, run.stderr
    model = load_packed(tmp_path / "packed", encoder.family.but(architectures=json.loads((tmp_path / "packed" / "config.json").read_text())["architectures"]))
    rows = rows_of_class(encoder, model)
    assert max(distances(tmp_path / "packed", "mlx", [unit(pooled(rows(tokens), encoder.pooling)) for tokens in TEXTS])) < ROUNDING


@pytest.mark.parametrize("variant", ["mlx", "scalar"])
def test_scores_of_modernbert_agree(variant, tmp_path):
    family = MODERNBERT.but(**MODERNBERT_SCORES)
    model = build(family)
    save(tmp_path / "model", family, parameters(model))
    ours = embeddings(tmp_path / "model", variant, *map(ids, TEXTS))
    for tokens, (score,) in zip(TEXTS, ours, strict=True):
        rows = model.model(mx.array(tokens)[None], mx.ones((1, len(tokens))))["last_hidden_state"]
        assert score == pytest.approx(model.classifier(model.head(rows.mean(1))).item(), abs=3 * ROUNDING)


def dense(**changes):
    """What Google's folder has behind the pooling, changed."""

    def add(folder):
        list_modules(folder, 1)
        add_dense(folder, 2, np.eye(192, dtype=np.float32), **changes)

    return add


def modules(*types):
    def write(folder):
        names = {"Pooling": "1_Pooling", "Dense": "2_Dense"}
        (folder / "modules.json").write_text(json.dumps([{"type": f"sentence_transformers.models.{name}", "path": names.get(name, "")} for name in types]))

    return write


def config(**keys):
    return lambda folder: change(folder, "config.json", **keys)


GEMMA, MODERN, NOMIC = "embeddinggemma-without-layers", "modernbert", "nomic-bert"
REFUSED = {
    "an activation of a layer": (GEMMA, dense(activation_function="torch.nn.modules.activation.Tanh"), "activation_function is 'torch.nn.modules.activation.Tanh'"),
    "an activation that is not said": (GEMMA, dense(activation_function=None), "activation_function is missing"),
    "a sum": (GEMMA, dense(use_residual=True), "use_residual is true"),
    "another key of a layer": (GEMMA, dense(dropout=0.5), "dropout"),
    "a layer for each row": (GEMMA, dense(module_input_name="token_embeddings"), "module_input_name is 'token_embeddings'"),
    "a layer of another width": (GEMMA, lambda folder: (list_modules(folder, 1), add_dense(folder, 2, np.ones((8, 96), np.float32))), "dense_2.weight"),
    "a layer that is not there": (GEMMA, lambda folder: list_modules(folder, 1), "it does not have the file 2_Dense/config.json"),
    "weights that are not there": (GEMMA, lambda folder: (dense()(folder), (folder / "2_Dense" / "model.safetensors").unlink()), "2_Dense.safetensors"),
    "a layer before the pooling": (GEMMA, modules("Transformer", "Dense", "Pooling"), "models.Dense"),
    "a layer behind the norm": (GEMMA, modules("Transformer", "Pooling", "Normalize", "Dense"), "models.Dense"),
    "three layers": (GEMMA, lambda folder: list_modules(folder, 3), "models.Dense"),
    "no pooling where there should be one": (GEMMA, lambda folder: (folder / "1_Pooling" / "config.json").unlink(), "it does not have the file 1_Pooling/config.json"),
    "a word of another language": (GEMMA, modules("Transformer", "CNN"), "models.CNN"),
    "attention to what is before": (NOMIC, config(causal=True), "causal is of a kind"),
    "norms before": (NOMIC, config(prenorm=True), "prenorm is of a kind"),
    "another activation": (NOMIC, config(activation_function="relu"), "activation_function is 'relu'"),
    "half-rotated heads": (NOMIC, config(rotary_emb_fraction=0.5), "rotary_emb_fraction is of a kind"),
    "xPos": (NOMIC, config(rotary_emb_scale_base=512), "rotary_emb_scale_base"),
    "a scaled RoPE": (NOMIC, config(rotary_scaling_factor=2.0, max_trained_positions=None), "rotary_scaling_factor is there"),
    "experts": (NOMIC, config(num_experts=8, moe_every_n_layers=2), "num_experts is of a kind"),
    "another width": (NOMIC, config(n_embd=180), "has the shape"),
    "no width": (NOMIC, config(n_embd=None), "hidden_size is missing"),
    "no window": (MODERN, config(local_attention=None), "attention.sliding_window"),
    "scores of the first row": (MODERN, config(architectures=["ModernBertForSequenceClassification"], classifier_pooling="cls"), "classifier_pooling is 'cls'"),
    "a scaled local RoPE": (MODERN, config(rope_parameters={"sliding_attention": {"rope_type": "linear", "factor": 2.0}}), "'linear' for layers with a window"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_change_an_embedding_is_refused_by_name(what, tmp_path):
    encoder, differ, says = REFUSED[what]
    make(tmp_path / "model", ENCODERS[encoder])
    differ(tmp_path / "model")
    run, file = run_import(tmp_path / "model", tmp_path / "home")
    assert run.returncode != 0 and says in run.stderr, run.stderr
    assert file is None


def without_head(folder):
    change_weights(folder, lambda weights: [weights.pop(name) for name in [*weights] if name.startswith(("head.", "decoder."))])


# What the reporter's folder differs in: it gives the same embeddings.
RUN = {
    "mlx-2309-no-head-that-is-not-the-embeddings": ("qwen3-embedding", config(tie_word_embeddings=False)),
    "llama.cpp-19633-no-head-of-training": (MODERN, without_head),
    "sentence-transformers-its-newer-keys": (
        MODERN,
        lambda folder: (folder / "1_Pooling" / "config.json").write_text(json.dumps({"embedding_dimension": 192, "pooling_mode": "mean", "include_prompt": True})),
    ),
    "sentence-transformers-modules-under-newer-names": (
        MODERN,
        lambda folder: (folder / "modules.json").write_text((folder / "modules.json").read_text().replace("sentence_transformers.models.", "sentence_transformers.base.modules.x.")),
    ),
    "mlx-embeddings-layers-among-the-others": ("embeddinggemma", lambda folder: as_mlx_embeddings_has_it(folder)),
}


def as_mlx_embeddings_has_it(folder):
    """Its converter writes all weights into one file."""
    dense = {f"dense.{i}.weight": mx.load(str(folder / f"{i + 2}_Dense" / "model.safetensors"))["linear.weight"] for i in range(2)}
    change_weights(folder, lambda weights: weights.update(dense))
    for name in ("modules.json", "2_Dense/model.safetensors", "3_Dense/model.safetensors"):
        (folder / name).unlink()


@pytest.mark.parametrize("report", RUN)
def test_reported_folders_run(report, tmp_path):
    encoder, differ = RUN[report]
    embedding = make(tmp_path / "model", ENCODERS[encoder])
    differ(tmp_path / "model")
    assert max(distances(tmp_path / "model", "mlx", [embedding(tokens) for tokens in TEXTS])) < ROUNDING
