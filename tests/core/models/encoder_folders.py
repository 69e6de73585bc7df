"""Folders of models that make embeddings, with random weights, as they are published, and what makes the same rows of a text: the classes of
mlx-embeddings and mlx-lm, and formulas in NumPy where neither has one."""

import dataclasses
import json

import numpy as np
from folder_models import Family, build, models_of, mx, parameters, save
from test_folders import BASE, GEMMA3, QWEN3  # it puts tests/reference on the path
from bert import NomicBert

SIZE = {"hidden_size": 192, "intermediate_size": 256}  # rows that groups of 32 divide

TRANSFORMER, POOLING, NORMALIZE = ({"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize"))


@dataclasses.dataclass(frozen=True)
class Encoder:
    family: Family | None  # None: Nomic's, which is in NumPy
    pooling: str = "mean"
    config: dict = dataclasses.field(default_factory=dict)  # of Nomic's
    dense: tuple = ()  # widths of the layers behind the pooling
    peer: str = "mlx-embeddings"


def model_type(encoder):
    return (encoder.family.config if encoder.family else encoder.config)["model_type"]


def pool(folder, **modes):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 96} | modes))


def list_modules(folder, dense=0, normalize=True):
    layers = [TRANSFORMER | {"path": ""}, POOLING | {"path": "1_Pooling"}]
    layers += [{"type": "sentence_transformers.models.Dense", "path": f"{i + 2}_Dense"} for i in range(dense)]
    layers += [NORMALIZE | {"path": f"{dense + 2}_Normalize"}] if normalize else []
    (folder / "modules.json").write_text(json.dumps([layer | {"idx": i, "name": str(i)} for i, layer in enumerate(layers)]))


def add_dense(folder, number, weight, **changes):
    path = folder / f"{number}_Dense"
    path.mkdir()
    config = {"in_features": weight.shape[1], "out_features": weight.shape[0], "bias": False, "activation_function": "torch.nn.modules.linear.Identity"}
    (path / "config.json").write_text(json.dumps(config | changes))
    mx.save_safetensors(str(path / "model.safetensors"), {"linear.weight": mx.array(weight)})


def modes(pooling):
    return {f"pooling_mode_{mode}": mode == {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}[pooling] for mode in ("cls_token", "mean_tokens", "max_tokens", "lasttoken")}


def unit(row):
    return row / np.linalg.norm(row)


def pooled(rows, pooling):
    return {"mean": rows.mean(0), "cls": rows[0], "last": rows[-1]}[pooling]


def rows_of_class(encoder, model):
    """Of a class of mlx-lm without its mask, so that tokens see what comes after them."""

    def rows(tokens):
        if encoder.family.module == "modernbert":
            return np.array(model.model(mx.array(tokens)[None], mx.ones((1, len(tokens))))["last_hidden_state"][0])
        if encoder.family.package == "mlx_embeddings":
            return np.array(model(mx.array(tokens)[None]).last_hidden_state[0])
        module = models_of("mlx_lm", encoder.family.module)
        causal, module.create_attention_mask = module.create_attention_mask, lambda *_, **__: None
        try:
            return np.array(model.model(mx.array(tokens)[None])[0])
        finally:
            module.create_attention_mask = causal

    return rows


def make(folder, encoder, dtype=mx.float32):
    """The folder, and a function that gives the embedding of a list of tokens."""
    if encoder.family is None:
        reference = random_nomic(folder, encoder.config)
        rows = reference.rows
    else:
        model = build(encoder.family)
        weights = {name: value.astype(dtype) for name, value in parameters(model).items() if not name.startswith("dense.")}
        save(folder, encoder.family, encoder.family.published(weights) if encoder.family.published else weights)
        rows = rows_of_class(encoder, model)
    pool(folder, **modes(encoder.pooling))
    list_modules(folder, len(encoder.dense))
    generator = np.random.default_rng(4)
    width, layers = SIZE["hidden_size"], []
    for number, outputs in enumerate(encoder.dense, 2):
        layers.append(generator.normal(0, width**-0.5, (outputs, width)).astype(np.float32))
        add_dense(folder, number, layers[-1])
        width = outputs

    def embedding(tokens):
        row = pooled(rows(tokens), encoder.pooling)
        for weight in layers:
            row = weight @ row
        return unit(row)

    return embedding


def random_nomic(folder, config):
    dim, hidden, layers = SIZE["hidden_size"], SIZE["intermediate_size"], 3
    shapes = {"embeddings.word_embeddings.weight": (300, dim), "embeddings.token_type_embeddings.weight": (2, dim)}
    norms = ["emb_ln"]
    for layer in range(layers):
        name = f"encoder.layers.{layer}."
        shapes |= {name + "attn.Wqkv.weight": (3 * dim, dim), name + "attn.out_proj.weight": (dim, dim)}
        shapes |= {name + "mlp.fc11.weight": (hidden, dim), name + "mlp.fc12.weight": (hidden, dim), name + "mlp.fc2.weight": (dim, hidden)}
        norms += [name + "norm1", name + "norm2"]
    generator = np.random.default_rng(6)
    tensors = {name: generator.normal(0, shape[-1] ** -0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        tensors |= {name + ".weight": generator.normal(1, 0.1, dim).astype(np.float32), name + ".bias": generator.normal(0, 0.1, dim).astype(np.float32)}
    save(folder, Family("", config), {name: mx.array(values) for name, values in tensors.items()})
    return NomicBert(tensors, heads=6, eps=1e-12, base=1000.0)


# As transformers wrote it before its version 5. Its head is of training.
MODERNBERT = Family(
    "modernbert",
    {
        **BASE, **SIZE, "model_type": "modernbert", "architectures": ["ModernBertForMaskedLM"], "num_hidden_layers": 5, "norm_eps": 1e-5, "global_attn_every_n_layers": 3, "local_attention": 32,
        "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
    },
    {
        "hidden_activation": "gelu", "layer_norm_eps": 1e-12, "position_embedding_type": "absolute", "num_key_value_heads": None, "attention_bias": False, "classifier_pooling": "mean", "classifier_activation": "gelu",
        "decoder_bias": True, "norm_bias": False, "mlp_bias": False, "deterministic_flash_attn": False, "initializer_cutoff_factor": 2.0, "reference_compile": None, "sparse_prediction": False,
        "sparse_pred_ignore_index": -100, "repad_logits_with_grad": False, "cls_token_id": 1, "sep_token_id": 2, "embedding_dropout": 0.0, "mlp_dropout": 0.0, "classifier_bias": False, "classifier_dropout": 0.0,
    },
    package="mlx_embeddings",
)  # fmt: skip
LAYER_TYPES = ["full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
ROPES = {"full_attention": {"rope_type": "default", "rope_theta": 160000.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}
# As transformers 5 writes it.
MODERNBERT_5 = {"norm_eps": 1e-5, "layer_norm_eps": None, "global_attn_every_n_layers": None, "global_rope_theta": None, "local_rope_theta": None, "layer_types": LAYER_TYPES, "rope_parameters": ROPES, "architectures": ["ModernBertModel"]}

# gte-reranker-modernbert-base
MODERNBERT_SCORES = {"architectures": ["ModernBertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}

# mlx-embeddings has no windows: those here are longer than the text, and a test of their own compares shorter ones with llama.cpp.
EMBEDDING_GEMMA = Family(
    "gemma3_text",
    {**GEMMA3.config, **SIZE, "use_bidirectional_attention": True, "sliding_window": 512},
    {"hidden_activation": "gelu_pytorch_tanh", "architectures": ["Gemma3TextModel"], "_sliding_window_pattern": 3, "attn_logit_softcapping": None, "final_logit_softcapping": None},
    package="mlx_embeddings",
)
QWEN3_EMBEDDING = Family("qwen3", {**QWEN3.config, **SIZE}, {"architectures": ["Qwen3ForCausalLM"], "use_sliding_window": False, "max_window_layers": 4}, package="mlx_embeddings")
EUROBERT = Family(
    "llama",
    {**BASE, **SIZE, "model_type": "eurobert", "rms_norm_eps": 1e-5, "rope_theta": 250000.0},
    {"hidden_act": "silu", "architectures": ["EuroBertForMaskedLM"], "clf_pooling": "late", "mask_token_id": 3, "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1},
)

GPT2_KEYS = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "reorder_and_upcast_attn": False, "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True, "summary_activation": None, "summary_first_dropout": 0.0, "summary_type": "cls_index"}
NOMIC = {
    **GPT2_KEYS, "model_type": "nomic_bert", "architectures": ["NomicBertModel"], "activation_function": "swiglu", "causal": False, "n_embd": 192, "n_head": 6, "n_inner": 256, "n_layer": 3, "n_positions": 2048,
    "max_trained_positions": 512, "layer_norm_epsilon": 1e-12, "prenorm": False, "parallel_block": False, "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None, "type_vocab_size": 2, "use_rms_norm": False, "use_flash_attn": True, "use_xentropy": True,
    "fused_bias_fc": True, "fused_dropout_add_ln": True, "dense_seq_output": True, "pad_vocab_size_multiple": 64, "vocab_size": 300,
}  # fmt: skip
NOMIC_5 = {
    "model_type": "nomic_bert", "architectures": ["NomicBertModel"], "hidden_act": "silu", **SIZE, "num_attention_heads": 6, "num_hidden_layers": 3, "max_position_embeddings": 512,
    "head_dim": 32, "layer_norm_eps": 1e-12, "type_vocab_size": 2, "vocab_size": 300, "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}, "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0,
}  # fmt: skip


def without_model(weights):
    """Names of the transformer alone."""
    return {name.removeprefix("model."): value for name, value in weights.items() if not name.startswith(("head.", "decoder."))}


ENCODERS = {
    "modernbert": Encoder(MODERNBERT),
    "modernbert-first": Encoder(MODERNBERT.but(MODERNBERT_5, published=without_model), "cls"),
    "nomic-bert": Encoder(None, config=NOMIC, peer="NumPy"),
    "nomic-bert-of-transformers": Encoder(None, config=NOMIC_5, peer="NumPy"),
    "embeddinggemma": Encoder(EMBEDDING_GEMMA.but(published=without_model), dense=(320, 192)),
    "embeddinggemma-without-layers": Encoder(EMBEDDING_GEMMA),
    "eurobert": Encoder(EUROBERT, peer="mlx-lm"),
    "qwen3-embedding": Encoder(QWEN3_EMBEDDING.but(published=without_model), "last"),
}
