"""Model folders that mean harm, and the check that must refuse each: `python hostile_folder.py FOLDER` writes the safetensors files and the
descriptions among them, from which the fuzzers start.

A folder is {name: content}, as dump_tool.write() takes it.
"""

import json
import pathlib
import struct
import sys
from dataclasses import dataclass

from dump_tool import PIPE, Link

CORRUPT, UNSUPPORTED = "corrupt", "unsupported"  # names of ErrorCode

DIM, HEADS, HIDDEN, VOCABULARY = 8, 2, 4, 10


@dataclass
class Case:
    name: str
    folder: dict
    code: str
    says: str  # a part of the message that shows which check refused it


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype="F32", shape=(4,), begin=0, end=16):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


SIZES = {"F32": 4, "BF16": 2, "U32": 4, "I64": 8, "F8_E4M3": 1, "U8": 1}


def filled(tensors):
    """A file with tensors of {name: (dtype, shape)}, all of them zeros."""
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + SIZES[dtype]
        for dim in shape:
            end = begin + (end - begin) * dim
        header[name] = entry(dtype, shape, begin, end)
    return safetensors(header, bytes(end))


CONFIG = {
    "model_type": "llama",
    "hidden_size": DIM,
    "num_hidden_layers": 1,
    "num_attention_heads": HEADS,
    "intermediate_size": HIDDEN,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
}
LAYER = {
    "input_layernorm": (DIM,),
    "self_attn.q_proj": (DIM, DIM),
    "self_attn.k_proj": (DIM, DIM),
    "self_attn.v_proj": (DIM, DIM),
    "self_attn.o_proj": (DIM, DIM),
    "post_attention_layernorm": (DIM,),
    "mlp.gate_proj": (HIDDEN, DIM),
    "mlp.up_proj": (HIDDEN, DIM),
    "mlp.down_proj": (DIM, HIDDEN),
}
TENSORS = {
    "model.embed_tokens.weight": ("F32", (VOCABULARY, DIM)),
    "model.norm.weight": ("F32", (DIM,)),
    **{f"model.layers.0.{name}.weight": ("F32", shape) for name, shape in LAYER.items()},
}


GEMMA4 = {"model_type": "gemma4_text", "layer_types": ["full_attention"], "head_dim": 4, "hidden_act": "gelu_pytorch_tanh", "rope_parameters": {"full_attention": {"rope_type": "default"}}}
NEMOTRON = {"model_type": "nemotron_h", "num_key_value_heads": HEADS, "hybrid_override_pattern": "*", "hidden_act": "relu2", "n_groups": 1, "ssm_state_size": 4, "mamba_num_heads": 2, "mamba_head_dim": 4, "conv_kernel": 2}


def tokenizer(**changes):
    model = {"type": "BPE", "vocab": {text: i for i, text in enumerate([*"abcdefgh", "ab"])}, "merges": ["a b"]}
    whole = {
        "added_tokens": [{"id": 9, "content": "<|end|>", "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {**model, **changes.pop("model", {})},
    }
    return {**whole, **changes}


def folder(config=None, tensors=None, tokens=None, without=(), **files):
    """A folder that can be read, with what the arguments change. `files` are added under their names, "__" for a dot."""
    whole = {
        "config.json": {**CONFIG, **(config or {})},
        "tokenizer.json": tokens or tokenizer(),
        "model.safetensors": filled({**TENSORS, **(tensors or {})}),
        **{name.replace("__", "."): content for name, content in files.items()},
    }
    return {name: content if isinstance(content, bytes | Link) or content is PIPE else json.dumps(content).encode() for name, content in whole.items() if name not in without}


def sharded(weight_map, **shards):
    return folder(without=["model.safetensors"], model__safetensors__index__json={"weight_map": weight_map}, **{f"{name}__safetensors": content for name, content in shards.items()})


def headers():
    """(name, a model.safetensors, what is said of it)"""
    huge = 1 << 62
    yield "header_cut", b"\1\0\0", "ends inside its header"
    yield "header_beyond", safetensors({}, length=1000), "its header claims 1000 bytes"
    yield "header_limit", safetensors({}, length=100_000_001), "the limit is 100000000"
    yield "header_overflow", safetensors({}, length=(1 << 64) - 1), "its header claims"
    yield "header_no_json", safetensors(b"{not json}"), "not valid JSON"
    yield "header_array", safetensors([]), "its header is not an object"
    yield "header_nested", safetensors(b"[" * 100_000), "nested deeper than 32 levels"
    yield "header_no_utf8", safetensors(b'{"\xff": 1}'), "not valid JSON"
    yield "name_twice", safetensors(b'{"a": 1, "a": 2}'), "the key 'a' twice"
    yield "name_long", safetensors({"x" * 70_000: entry()}, bytes(16)), "70000 bytes long"
    yield "entry_empty", safetensors({"a": {}}), "has no dtype, shape and data_offsets"
    yield "entry_number", safetensors({"a": 7}), "has no dtype, shape and data_offsets"
    yield "dims_many", safetensors({"a": entry(shape=[1] * 9)}, bytes(16)), "9 dimensions"
    yield "dim_zero", safetensors({"a": entry(shape=[0], end=0)}), "a dimension of zero"
    yield "dim_negative", safetensors({"a": entry(shape=[-4])}, bytes(16)), "not a number"
    yield "dim_fraction", safetensors({"a": entry(shape=[4.0])}, bytes(16)), "not a number"
    yield "shape_overflow", safetensors({"a": entry(shape=[huge, huge])}, bytes(16)), "more bytes than 2^63 - 1"
    yield "offsets_backwards", safetensors({"a": entry(begin=16, end=0)}, bytes(16)), "not two numbers in ascending order"
    yield "offsets_negative", safetensors({"a": entry(begin=-16, end=0)}, bytes(16)), "not two numbers in ascending order"
    yield "offsets_beyond", safetensors({"a": entry(begin=16, end=32)}, bytes(16)), "from byte 16 to 32 of the data, which has 16 bytes"
    yield "offsets_short", safetensors({"a": entry(end=12)}, bytes(12)), "needs 16 bytes"
    yield "overlap", safetensors({"a": entry(), "b": entry(begin=8, end=24)}, bytes(24)), "overlaps tensor 'b'"
    yield "hole", safetensors({"a": entry(), "b": entry(begin=24, end=40)}, bytes(40)), "no tensor fills the bytes from 16 on"
    yield "tail", safetensors({"a": entry()}, bytes(20)), "its tensors end at byte"


def layouts():
    """Index, shards and links."""
    two = {"model.norm.weight": "a.safetensors", "model.embed_tokens.weight": "b.safetensors"}
    for number, name in enumerate(["../a.safetensors", "/etc/passwd", "sub/a.safetensors", "..", "", "a\0b"]):
        yield Case(f"index_outside_{number}", sharded({"model.norm.weight": name}), CORRUPT, "not a file of the folder")
    yield Case("index_number", sharded({"model.norm.weight": 7}), CORRUPT, "in no file")
    yield Case("index_empty", sharded({}), CORRUPT, "no weight_map")
    yield Case("index_array", folder(without=["model.safetensors"], model__safetensors__index__json=[]), CORRUPT, "no weight_map")
    yield Case("shard_missing", sharded(two, a=filled({"model.norm.weight": ("F32", (DIM,))})), CORRUPT, "names the file 'b.safetensors'")
    yield Case("tensor_twice", sharded(two, a=filled({"model.norm.weight": ("F32", (DIM,))}), b=filled({"model.norm.weight": ("F32", (DIM,))})), CORRUPT, "'model.norm.weight' is in two of its files")
    yield Case("weights_none", folder(without=["model.safetensors"]), UNSUPPORTED, "no model.safetensors")
    yield Case("link_out", folder(model__safetensors=Link("/etc/passwd")), CORRUPT, "a link that leads out of the folder")
    yield Case("link_out_of_pooling", folder() | {"1_Pooling": {"config.json": Link("/etc/passwd")}}, CORRUPT, "1_Pooling/config.json is a link that leads out of the folder")
    yield Case("link_out_of_a_layer", folder() | {"2_Dense": {"model.safetensors": Link("/etc/passwd")}}, CORRUPT, "2_Dense/model.safetensors is a link that leads out of the folder")
    yield Case("link_up", folder(tokenizer__json=Link("../link_up_target")), "not_found", "Cannot open")
    yield Case("link_loop", folder(config__json=Link("config.json")), "io", "Cannot open")
    yield Case("config_pipe", folder(config__json=PIPE), UNSUPPORTED, "config.json")
    yield Case("config_none", folder(without=["config.json"]), UNSUPPORTED, "a folder without a config.json")
    yield Case("tokenizer_none", folder(without=["tokenizer.json"]), UNSUPPORTED, "has no tokenizer.json")


def configs():
    yield "no_type", {"model_type": None}, CORRUPT, "does not say its model_type"
    yield "type_number", {"model_type": 7}, CORRUPT, "does not say its model_type"
    yield "type_unknown", {"model_type": "rwkv7"}, UNSUPPORTED, "models of the type 'rwkv7'"
    yield "type_control", {"model_type": "a\nb\x1b"}, UNSUPPORTED, "'a?b?'"
    yield "key_unknown", {"frobnicate": True}, UNSUPPORTED, "the key 'frobnicate'"
    yield "key_in_rope", {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "twist": 1}}, UNSUPPORTED, "'rope_scaling.twist'"
    yield "heads_text", {"num_attention_heads": "many"}, CORRUPT, "num_attention_heads is not a number"
    yield "heads_none", {"num_attention_heads": None}, CORRUPT, "num_attention_heads is missing"
    yield "heads_zero", {"num_attention_heads": 0}, CORRUPT, "num_attention_heads is 0"
    yield "layers_fraction", {"num_hidden_layers": 1.5}, CORRUPT, "num_hidden_layers is not an integer"
    yield "layers_huge", {"num_hidden_layers": 1e300}, CORRUPT, "num_hidden_layers is not an integer"
    yield "activation", {"hidden_act": "relu"}, UNSUPPORTED, "hidden_act is 'relu'"
    yield "experts_in_some_layers", {"decoder_sparse_step": 2}, UNSUPPORTED, "decoder_sparse_step is"
    yield "experts_not_in_layers", {"mlp_only_layers": [0]}, UNSUPPORTED, "mlp_only_layers is not empty"
    yield "latent_not_said", {"model_type": "deepseek_v3"}, CORRUPT, "kv_lora_rank is missing"
    yield "latent_huge", {"model_type": "deepseek_v3", "kv_lora_rank": 1 << 40}, CORRUPT, "kv_lora_rank is 1099511627776"
    yield "streams_of_many_layers", {"model_type": "gemma3n_text", "num_hidden_layers": 1 << 40}, CORRUPT, "num_hidden_layers is 1099511627776"
    yield "streams_of_many_tokens", {"model_type": "gemma3n_text", "vocab_size": 1 << 40}, CORRUPT, "vocab_size is 1099511627776"
    yield "layer_shapes_no_list", {"model_type": "gemma4_text", "layer_types": "full"}, CORRUPT, "layer_types is not one string for each layer"
    yield "layer_shapes_many", {"model_type": "gemma4_text", "num_hidden_layers": 1 << 40}, CORRUPT, "num_hidden_layers is 1099511627776"
    yield "shared_keys", {**GEMMA4, "num_kv_shared_layers": -1}, CORRUPT, "num_kv_shared_layers is -1"
    yield "shared_keys_of_none", {**GEMMA4, "num_kv_shared_layers": 1}, CORRUPT, "num_kv_shared_layers is 1"
    yield "pattern_missing", {**NEMOTRON, "hybrid_override_pattern": None}, CORRUPT, "num_hidden_layers is not the number of layers in its pattern"
    yield "pattern_endless", {**NEMOTRON, "hybrid_override_pattern": "M" * (1 << 16)}, CORRUPT, "num_hidden_layers is not the number of layers in its pattern"
    yield "scan_huge", {**NEMOTRON, "mamba_num_heads": 1 << 40}, CORRUPT, "mamba_num_heads is 1099511627776"
    yield "scan_wide", {**NEMOTRON, "mamba_num_heads": 4096, "mamba_head_dim": 4096}, CORRUPT, "mamba_num_heads is of a scan of more than 1048576 values"
    yield "heads_huge", {"num_attention_heads": 1 << 40}, CORRUPT, "num_attention_heads is 1099511627776"
    yield "part_missing", {"model_type": "qwen3_vl"}, CORRUPT, "text_config does not say its model_type"
    yield "ramp", {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "truncate": False}}, UNSUPPORTED, "rope_scaling.truncate is false"
    yield "windows", {"use_sliding_window": True}, UNSUPPORTED, "use_sliding_window is true"
    yield "layer_types_count", {"layer_types": ["full_attention"] * 2}, CORRUPT, "layer_types is not one string for each layer"
    yield "layer_types_kind", {"layer_types": ["linear_attention"]}, UNSUPPORTED, "'linear_attention' for some layers"
    yield "rope_unknown", {"rope_scaling": {"rope_type": "spiral"}}, UNSUPPORTED, "rope_scaling.rope_type is 'spiral'"
    yield "rope_text", {"rope_scaling": "linear"}, CORRUPT, "rope_scaling is not an object"
    yield "rope_no_factor", {"rope_scaling": {"rope_type": "yarn"}}, CORRUPT, "rope_scaling.factor is missing"
    yield "rope_of_a_huge_head", {"head_dim": 1 << 40, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, CORRUPT, "head_dim is no number of a model"
    yield "rope_share", {"partial_rotary_factor": 1e30}, CORRUPT, "partial_rotary_factor is not a part of a head"
    yield "rope_share_negative", {"rope_parameters": {"partial_rotary_factor": -0.5}}, CORRUPT, "partial_rotary_factor is not a part of a head"
    yield "rope_sections", {"rope_parameters": {"mrope_section": [1e300]}}, CORRUPT, "mrope_section is not the pairs of 4 axes at most"
    yield "rope_sections_many", {"rope_parameters": {"mrope_section": [0] * 5}}, CORRUPT, "mrope_section is not the pairs of 4 axes at most"
    yield "rope_original", {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 1e300}}, CORRUPT, "original_max_position_embeddings is no number of tokens"
    yield "rope_lists", {"rope_scaling": {"rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0] * 9}}, CORRUPT, "long_factor is a list of 1 numbers for 2 pairs"
    yield "quantized", {"quantization_config": {"quant_method": "awq"}}, UNSUPPORTED, "the quantization 'awq'"


def tensors():
    q = "model.layers.0.self_attn.q_proj"
    packed = {f"{q}.weight": ("U32", (DIM, 8))}
    mlx = {"quantization": {"group_size": 32, "bits": 4}}
    yield "unknown", {}, {"model.layers.0.self_attn.frobs": ("F32", (HEADS,))}, UNSUPPORTED, "the tensor 'model.layers.0.self_attn.frobs'"
    yield "no_dot", {}, {"weights": ("F32", (DIM,))}, UNSUPPORTED, "the tensor 'weights'"
    yield "layer_beyond", {}, {"model.layers.1.input_layernorm.weight": ("F32", (DIM,))}, CORRUPT, "a layer that its config.json does not have"
    yield "layer_padded", {}, {"model.layers.00.input_layernorm.weight": ("F32", (DIM,))}, UNSUPPORTED, "'model.layers.00.input_layernorm.weight'"
    yield "same_in_gguf", {}, {"norm.weight": ("F32", (DIM,))}, CORRUPT, "two of its tensors are 'output_norm.weight' in GGUF"
    yield "dtype", {}, {f"{q}.weight": ("I64", (DIM, DIM))}, UNSUPPORTED, "the dtype I64"
    yield "q_rows", {}, {f"{q}.weight": ("F32", (DIM + 2, DIM))}, CORRUPT, f"the shape of tensor '{q}.weight'"
    yield "q_cube", {}, {f"{q}.weight": ("F32", (DIM, 2, 4))}, CORRUPT, f"the shape of tensor '{q}.weight'"
    yield "q_value", {}, {f"{q}.weight": ("F32", ())}, CORRUPT, f"the shape of tensor '{q}.weight'"
    yield "mlx_unsaid", {}, packed, UNSUPPORTED, "the dtype U32"
    yield "mlx_no_scales", mlx, packed, CORRUPT, "do not fit its shape"
    yield "mlx_scales", mlx, {**packed, f"{q}.scales": ("F32", (DIM, 3)), f"{q}.biases": ("F32", (DIM, 3))}, CORRUPT, "do not fit its shape"
    yield "mlx_bits", {"quantization": {"group_size": 32, "bits": 7}}, packed, UNSUPPORTED, "7 bits, groups of 32"
    yield "mlx_bits_zero", {"quantization": {"group_size": 0, "bits": 0}}, packed, UNSUPPORTED, "0 bits, groups of 0"
    yield "mlx_mode", {"quantization": {"group_size": 32, "bits": 4, "mode": "magic"}}, packed, UNSUPPORTED, "mode 'magic'"
    experts = "model.layers.0.mlp.experts"
    yield "expert_missing", {}, {f"{experts}.{i}.up_proj.weight": ("F32", (HIDDEN, DIM)) for i in (0, 2)}, CORRUPT, "blk.0.ffn_up_exps.weight are not all there"
    yield "expert_other_type", {}, {f"{experts}.0.up_proj.weight": ("F32", (HIDDEN, DIM)), f"{experts}.1.up_proj.weight": ("BF16", (HIDDEN, DIM))}, CORRUPT, "not of one shape and type"
    yield "expert_cube", {}, {f"{experts}.0.up_proj.weight": ("F32", (2, HIDDEN, DIM))}, CORRUPT, f"the shape of tensor '{experts}.0.up_proj.weight'"
    yield "experts_odd", {}, {"model.layers.0.block_sparse_moe.input_linear.weight": ("F32", (2, 3, DIM))}, CORRUPT, "the shape of tensor 'model.layers.0.block_sparse_moe.input_linear.weight'"
    yield "experts_transposed", {"model_type": "gpt_oss", "num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 16}, {f"{experts}.gate_up_proj": ("BF16", (2, DIM, HIDDEN))}, UNSUPPORTED, f"the tensor '{experts}.gate_up_proj'"
    yield "blocks_no_scales", {}, {f"{experts}.down_proj_blocks": ("U8", (2, DIM, 1, 16))}, CORRUPT, "do not fit its shape"
    yield "blocks_scales", {}, {f"{experts}.down_proj_blocks": ("U8", (2, DIM, 1, 16)), f"{experts}.down_proj_scales": ("U8", (2, DIM, 2))}, CORRUPT, "do not fit its shape"
    yield "blocks_short", {}, {f"{experts}.down_proj_blocks": ("U8", (2, DIM, 1, 8)), f"{experts}.down_proj_scales": ("U8", (2, DIM, 1))}, CORRUPT, "do not fit its shape"
    yield "blocks_flat", {}, {f"{experts}.down_proj_blocks": ("U8", (DIM, 16)), f"{experts}.down_proj_scales": ("U8", (DIM, 1))}, CORRUPT, "do not fit its shape"
    yield "fp8_scales", {}, {f"{q}.weight": ("F8_E4M3", (DIM, DIM)), f"{q}.weight_scale": ("F32", (3, 1))}, CORRUPT, "do not fit its shape"


def tokenizers():
    def bpe(**model):
        return tokenizer(model=model)

    yield "array", [], UNSUPPORTED, 'not "BPE"'
    yield "wordlevel", bpe(type="WordLevel"), UNSUPPORTED, "its model is 'WordLevel'"
    yield "unigram_object", bpe(type="Unigram"), CORRUPT, "not that of a Unigram model"
    yield "unigram_scores", bpe(type="Unigram", vocab=[["a", 0], ["b"]]), CORRUPT, "token 1 is not a text and a score"
    yield "wordpiece_list", bpe(type="WordPiece", vocab=[["a", 0]]), CORRUPT, "not that of a WordPiece model"
    yield "wordpiece_prefix", bpe(type="WordPiece"), UNSUPPORTED, "no continuing_subword_prefix"
    yield "wordpiece_long", bpe(type="WordPiece", continuing_subword_prefix="##", max_input_chars_per_word=7), UNSUPPORTED, "max_input_chars_per_word is not 100"
    yield "subword_prefix", bpe(continuing_subword_prefix="##"), UNSUPPORTED, "continuing_subword_prefix"
    yield "no_vocab", bpe(vocab=None), CORRUPT, "no vocab"
    yield "id_text", bpe(vocab={"a": "b"}), CORRUPT, "token 'a' has no id"
    yield "id_negative", bpe(vocab={"a": -1}), CORRUPT, "token 'a' has no id"
    yield "id_beyond", bpe(vocab={"a": 1 << 40}), CORRUPT, "a token 1099511627776"
    yield "id_largest", bpe(vocab={"a": (1 << 63) - 1}), CORRUPT, "token 'a' has no id"
    yield "id_twice", bpe(vocab={"a": 0, "b": 0}), CORRUPT, "two tokens have the id 0"
    yield "token_long", bpe(vocab={"a" * 70_000: 0}), CORRUPT, "70000 bytes long"
    yield "added_other", tokenizer(added_tokens=[{"id": 0, "content": "x"}]), CORRUPT, "token 0 is"
    yield "added_empty", tokenizer(added_tokens=[{}]), CORRUPT, "no id and content"
    yield "no_merges", bpe(merges=None), CORRUPT, "no merges"
    yield "merge_one", bpe(merges=["a"]), CORRUPT, "merge 0 is not two tokens"
    yield "merge_three", bpe(merges=["a b c"]), CORRUPT, "merge 0 is not two tokens"
    yield "merge_number", bpe(merges=[7]), CORRUPT, "merge 0 is not two tokens"
    yield "normalizer", tokenizer(normalizer={"type": "ByteLevel"}), UNSUPPORTED, "normalizer 'ByteLevel'"
    yield "pretokenizer", tokenizer(pre_tokenizer={"type": "UnicodeScripts"}), UNSUPPORTED, "pre_tokenizer 'UnicodeScripts'"
    yield "nested", tokenizer(normalizer={"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": [{"type": "No\u0007"}]}]}), UNSUPPORTED, "normalizer "
    yield "fallback_normalizer", tokenizer(model={"byte_fallback": True}, normalizer={"type": "ByteLevel"}, pre_tokenizer=None), UNSUPPORTED, "the normalizer 'ByteLevel'"


def cases():
    for name, content, says in headers():
        yield Case(name, folder(model__safetensors=content), CORRUPT, says)
    yield Case("dtype_unknown", folder(model__safetensors=safetensors({"a": entry(dtype="F4")}, bytes(16))), UNSUPPORTED, "the dtype 'F4'")
    yield from layouts()
    for name, config, code, says in configs():
        yield Case(f"config_{name}", folder(config=config), code, says)
    yield Case("config_huge_vocabulary", folder(config={"vocab_size": 1 << 40}), CORRUPT, "the model has 1099511627776 tokens")
    for name, config, extra, code, says in tensors():
        yield Case(f"tensor_{name}", folder(config=config, tensors=extra), code, says)
    for name, tokens, code, says in tokenizers():
        yield Case(f"tokenizer_{name}", folder(**{"tokenizer__json": tokens}), code, says)


def bombs():
    """Small on the disk, large in memory: name, folder, what is said."""
    many = b"[" + b"0," * (1 << 23) + b"0]"
    yield Case("bomb_values", folder(config__json=many), CORRUPT, "more than 4194304 values")
    yield Case("bomb_header", folder(model__safetensors=safetensors(many)), CORRUPT, "more than 4194304 values")


def truncated():
    """The weights cut at every length up to their data, and some beyond."""
    whole = folder()["model.safetensors"]
    start = 8 + struct.unpack_from("<Q", whole)[0]
    for length in [*range(1, start + 1), *range(start + 1, len(whole), 997)]:
        yield Case(f"cut_{length}", folder(model__safetensors=whole[:length]), CORRUPT, "")


def flipped():
    """(name, a folder with one bit of a description changed): refused or not, never a crash."""
    good = folder()
    start = 8 + struct.unpack_from("<Q", good["model.safetensors"])[0]
    for name, length, step in [("model.safetensors", start, 1), ("config.json", len(good["config.json"]), 1), ("tokenizer.json", len(good["tokenizer.json"]), 5)]:
        for at in range(0, length, step):
            content = bytearray(good[name])
            content[at] ^= 1 << at % 8
            yield f"flip_{name}_{at}", {**good, name: bytes(content)}


def main(target):
    target = pathlib.Path(target)
    (target / "safetensors").mkdir(parents=True, exist_ok=True)
    (target / "folder").mkdir(parents=True, exist_ok=True)
    for case in [Case("good", folder(), "", ""), *cases()]:
        weights, descriptions = case.folder.get("model.safetensors"), [case.folder.get(name) for name in ("config.json", "tokenizer.json")]
        if isinstance(weights, bytes):
            (target / "safetensors" / case.name).write_bytes(weights)
        if all(isinstance(description, bytes) for description in descriptions):
            (target / "folder" / case.name).write_bytes(b"\0".join(descriptions))


if __name__ == "__main__":
    main(sys.argv[1])
