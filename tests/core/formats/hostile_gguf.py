"""GGUF files that mean harm, and the check that must refuse each: `python hostile_gguf.py FOLDER` writes them all (the fuzzers start from them).

    damaged()      refused by the reader (core/formats)
    truncated()    a small model cut at every length
    flipped()      the same with one bit of its description changed: refused or not, never a crash
    impossible()   read without complaint, and no model: refused when it is loaded
"""

import dataclasses
import math
import pathlib
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = dict(zip(range(13), "B b H h I i f B - - Q q d".split(), strict=True))
TYPE_F32, TYPE_Q4_0, TYPE_Q8_0, TYPE_IQ2_XXS, TYPE_Q4_0_4_4, TYPE_Q1_0 = 0, 2, 8, 16, 31, 41
NAN_BLOCK, ONES_BLOCK = struct.pack("<H", 0x7E00) + b"\1" * 32, struct.pack("<H", 0x3C00) + b"\1" * 32  # of Q8_0

CORRUPT, UNSUPPORTED = "corrupt", "unsupported"  # names of ErrorCode


@dataclasses.dataclass
class Case:
    name: str
    file: bytes
    code: str
    says: str  # a part of the message that shows which check refused it


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(type, content):
    """A value in GGUF's encoding; an array is ARRAY and (type, [values])."""
    if type == STRING:
        return text(content)
    if type == ARRAY:
        element, values = content
        return struct.pack("<IQ", element, len(values)) + b"".join(value(element, v) for v in values)
    return struct.pack("<" + FORMATS[type], content)


@dataclasses.dataclass
class Gguf:
    """Like gguf_builder.h: nothing here checks anything. Keys are name -> (type, content); bytes as content are taken as they are."""

    keys: dict = dataclasses.field(default_factory=dict)
    tensors: list = dataclasses.field(default_factory=list)  # name, dimensions (fastest first), type, offset
    data: bytes = b""
    magic: bytes = b"GGUF"
    version: int = 3
    n_keys: int | None = None
    n_tensors: int | None = None
    alignment: int = 32

    def head(self):
        counts = (len(self.tensors) if self.n_tensors is None else self.n_tensors, len(self.keys) if self.n_keys is None else self.n_keys)
        return self.magic + struct.pack("<IQQ", self.version, *counts)

    def metadata(self):
        return b"".join(
            text(name) + struct.pack("<I", type) + (content if isinstance(content, bytes) and type != STRING else value(type, content))
            for name, (type, content) in self.keys.items()
        )

    def directory(self):
        return b"".join(
            text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", type, offset)
            for name, dims, type, offset in self.tensors
        )

    def bytes(self):
        description = self.head() + self.metadata() + self.directory()
        return description + b"\0" * (-len(description) % self.alignment) + self.data


def shards(whole, count, name="model"):
    """{file name: Gguf} of a model whose tensors are dealt out to so many files, as llama-gguf-split does: the first has the metadata."""
    offsets = [offset for *_, offset in whole.tensors] + [len(whole.data)]
    files = {}
    for number in range(count):
        shard = Gguf(keys=dict(whole.keys) if number == 0 else {})
        shard.keys |= {"split.no": (U16, number), "split.count": (U16, count), "split.tensors.count": (I32, len(whole.tensors))}
        for i in range(number * len(whole.tensors) // count, (number + 1) * len(whole.tensors) // count):
            *tensor, offset = whole.tensors[i]
            shard.tensors.append((*tensor, len(shard.data)))
            content = whole.data[offset : offsets[i + 1]]
            shard.data += content + b"\0" * (-len(content) % 32)
        files[f"{name}-{number + 1:05}-of-{count:05}.gguf"] = shard
    return files


def one(*tensors, data=b"\0" * 64, **more):
    return Gguf(tensors=list(tensors), data=data, **more).bytes()


def keyed(type, content, **more):
    return Gguf(keys={"k": (type, content)}, **more).bytes()


def array_head(type, count):
    return struct.pack("<IQ", type, count)


def damaged():
    f32 = lambda name, dims, offset=0: (name, dims, TYPE_F32, offset)  # noqa: E731
    return [
        Case("empty", b"", CORRUPT, "is empty"),
        Case("zip", b"PK\x03\x04 and so on", UNSUPPORTED, "is not a GGUF file"),
        Case("magic_alone", b"GGUF", CORRUPT, "it ends inside its header"),
        Case("magic_in_small_letters", Gguf(magic=b"gguf").bytes(), UNSUPPORTED, "is not a GGUF file"),
        Case("version_0", Gguf(version=0).bytes(), UNSUPPORTED, "has GGUF version 0"),
        Case("version_1", Gguf(version=1).bytes(), UNSUPPORTED, "has GGUF version 1"),
        Case("version_99", Gguf(version=99).bytes(), UNSUPPORTED, "has GGUF version 99"),
        Case("big_endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), UNSUPPORTED, "is a big-endian GGUF file"),
        # counts that the file cannot hold
        Case("tensors_2_64", Gguf(n_tensors=2**64 - 1).bytes(), CORRUPT, "it claims 18446744073709551615 tensors; the limit is"),
        Case("tensors_100000", Gguf(n_tensors=100000).bytes(), CORRUPT, "it claims 100000 tensors, whose descriptions do not fit"),
        Case("keys_2_63", Gguf(n_keys=2**63).bytes(), CORRUPT, "it claims 9223372036854775808 metadata keys; the limit is"),
        Case("keys_60000", Gguf(n_keys=60000, alignment=1).bytes(), CORRUPT, "it ends inside its metadata, at key 1 of 60000"),
        Case("key_name_2_64", Gguf(n_keys=1).head() + struct.pack("<Q", 2**64 - 1), CORRUPT, "the name of metadata key 1 is 18446744073709551615 bytes"),
        Case("key_name_past_the_end", Gguf(n_keys=1).head() + struct.pack("<Q", 60000), CORRUPT, "it ends inside the name of metadata key 1"),
        Case("string_2_63", keyed(STRING, b"", alignment=1)[:-8] + struct.pack("<Q", 2**63), CORRUPT, "'k' holds a string of 9223372036854775808 bytes"),
        Case("string_past_the_end", keyed(STRING, b"", alignment=1)[:-8] + struct.pack("<Q", 1 << 20), CORRUPT, "it ends inside the value of metadata key 'k'"),
        Case("array_2_64", keyed(ARRAY, array_head(U8, 2**64 - 1)), CORRUPT, "'k' is an array of 18446744073709551615 elements; the limit"),
        Case("array_past_the_end", keyed(ARRAY, array_head(F64, 1 << 24)), CORRUPT, "elements, which do not fit in the rest of the file"),
        Case("array_whose_bytes_overflow", keyed(ARRAY, array_head(U64, 2**61)), CORRUPT, "is an array of 2305843009213693952 elements; the limit"),
        Case("array_of_long_strings", keyed(ARRAY, array_head(STRING, 4) + struct.pack("<4Q", *[2**62] * 4)), CORRUPT, "holds a string of"),
        # values that GGUF does not have
        Case("value_type_13", keyed(13, b"\0" * 8), CORRUPT, "'k' has value type 13"),
        Case("value_type_2_32", keyed(2**32 - 1, b"\0" * 8), CORRUPT, "'k' has value type 4294967295"),
        Case("element_type_13", keyed(ARRAY, array_head(13, 1) + b"\0" * 8), CORRUPT, "'k' has value type 13"),
        Case("boolean_2", keyed(BOOL, 2), CORRUPT, "'k' is a boolean with the value 2"),
        Case("booleans_2", keyed(ARRAY, (BOOL, [0, 1, 2])), CORRUPT, "'k' is a boolean with the value 2"),
        Case("integer_2_64", keyed(U64, 2**64 - 1), CORRUPT, "more than 2^63 - 1"),
        Case("integers_2_64", keyed(ARRAY, (U64, [2**64 - 1])), CORRUPT, "more than 2^63 - 1"),
        Case("arrays_5_deep", keyed(ARRAY, array_head(ARRAY, 1) * 4 + array_head(U8, 1) + b"\0"), CORRUPT, "nests arrays more than 4 deep"),
        Case("arrays_100000_deep", keyed(ARRAY, array_head(ARRAY, 1) * 100000), CORRUPT, "nests arrays more than 4 deep"),
        Case("arrays_that_multiply", keyed(ARRAY, array_head(ARRAY, 1000) + array_head(ARRAY, 1000) * 1000), CORRUPT, "is an array of 1000 elements, which do not fit"),
        Case("key_twice", Gguf(n_keys=2).head() + 2 * Gguf(keys={"k": (U8, 1)}).metadata(), CORRUPT, "metadata key 'k' is there twice"),
        Case("name_with_escapes", Gguf(keys={b"\x1b[2J\xff\n": (BOOL, 2)}).bytes(), CORRUPT, "metadata key '?[2J??' is a boolean"),
        *(
            Case(f"alignment_{n}", Gguf(keys={"general.alignment": (U32, n)}).bytes(), CORRUPT, "general.alignment must be a power of two")
            for n in (0, 1, 4, 24, 1 << 21, 1 << 31, 2**32 - 1)
        ),
        Case("alignment_negative", Gguf(keys={"general.alignment": (I64, -(2**63))}).bytes(), CORRUPT, "general.alignment must be"),
        Case("alignment_a_string", Gguf(keys={"general.alignment": (STRING, "32")}).bytes(), CORRUPT, "general.alignment must be"),
        # tensors
        Case("no_dimensions", one(f32("a", [])), CORRUPT, "'a' has 0 dimensions"),
        Case("five_dimensions", one(f32("a", [1] * 5)), CORRUPT, "'a' has 5 dimensions"),
        Case("dimensions_2_32", Gguf(n_tensors=1).head() + text("a") + struct.pack("<I", 2**32 - 1) + b"\0" * 99, CORRUPT, "'a' has 4294967295 dimensions"),
        Case("a_dimension_of_zero", one(f32("a", [4, 0])), CORRUPT, "'a' has a dimension of zero"),
        Case("product_of_zero_and_much", one(f32("a", [2**63, 2**63, 0])), CORRUPT, "'a' has more elements than 2^63 - 1"),
        Case("product_2_64", one(f32("a", [2**32, 2**32])), CORRUPT, "'a' has more elements than 2^63 - 1"),
        Case("product_that_wraps_to_4", one(f32("a", [2**62 + 1, 4])), CORRUPT, "'a' has more elements than 2^63 - 1"),
        Case("product_2_63", one(f32("a", [2**63])), CORRUPT, "'a' has more elements than 2^63 - 1"),
        Case("bytes_that_wrap_to_0", one(f32("a", [2**62])), CORRUPT, "'a' has more bytes than 2^64 - 1"),
        Case("broken_block", one(("a", [33], TYPE_Q4_0, 0)), CORRUPT, "'a' has rows of 33 values; Q4_0 needs a multiple of 32"),
        Case("type_99", one(("a", [4], 99, 0)), UNSUPPORTED, "tensor 'a' has the type 99."),
        Case("type_2_32", one(("a", [4], 2**32 - 1, 0)), UNSUPPORTED, "tensor 'a' has the type 4294967295."),
        Case("type_q4_0_4_4", one(("a", [256], TYPE_Q4_0_4_4, 0)), UNSUPPORTED, "tensor 'a' has the type Q4_0_4_4"),
        Case("broken_superblock", one(("a", [128], TYPE_IQ2_XXS, 0)), CORRUPT, "'a' has rows of 128 values; IQ2_XXS needs a multiple of 256"),
        Case("offset_misaligned", one(f32("a", [4], 4)), CORRUPT, "'a' starts at offset 4, which is not a multiple of 32"),
        Case("offset_past_the_end", one(f32("a", [4], 1 << 40)), CORRUPT, "'a' starts 1099511627776 bytes after byte"),
        Case("offset_2_64", one(f32("a", [4], 2**64 - 32)), CORRUPT, "'a' starts 18446744073709551584 bytes after byte"),
        Case("one_byte_too_few", one(f32("a", [4]), data=b"\0" * 15), CORRUPT, "'a' starts at byte 64 and has 16 bytes, the file ends at byte 79"),
        Case("no_data", one(f32("a", [4]), data=b""), CORRUPT, "'a' starts at byte 64 and has 16 bytes, the file ends at byte 64"),
        Case("the_same_place", one(f32("a", [4]), f32("b", [4])), CORRUPT, "overlaps tensor"),
        Case("overlap", one(f32("a", [9]), f32("b", [4], 32)), CORRUPT, "'a' overlaps tensor 'b'"),
        Case("one_inside_another", one(f32("b", [4], 32), f32("a", [16])), CORRUPT, "'a' overlaps tensor 'b'"),
        Case("tensor_twice", one(f32("a", [4]), f32("a", [4], 32)), CORRUPT, "tensor 'a' is there twice"),
        Case("tensor_name_2_63", Gguf(n_tensors=1).head() + struct.pack("<Q", 2**63) + b"x" * 99, CORRUPT, "the name of tensor 1 is 9223372036854775808"),
        Case("tensor_name_too_long", Gguf(n_tensors=1).head() + struct.pack("<Q", 65536) + b"x" * 65536, CORRUPT, "the name of tensor 1 is 65536 bytes long"),
    ]


# A model of one layer that runs: 2 heads of 16, a vocabulary of the 256 letters of byte-level BPE and a few more.
DIM, HIDDEN, HEADS, KV_HEADS = 32, 32, 2, 1
EOS, MERGED = "<|end|>", "ab"
WEIGHTS = {
    "token_embd.weight": [DIM, 258],
    "output_norm.weight": [DIM],
    "blk.0.attn_norm.weight": [DIM],
    "blk.0.ffn_norm.weight": [DIM],
    "blk.0.attn_q.weight": [DIM, DIM],
    "blk.0.attn_k.weight": [DIM, DIM // HEADS * KV_HEADS],
    "blk.0.attn_v.weight": [DIM, DIM // HEADS * KV_HEADS],
    "blk.0.attn_output.weight": [DIM, DIM],
    "blk.0.ffn_gate.weight": [DIM, HIDDEN],
    "blk.0.ffn_up.weight": [DIM, HIDDEN],
    "blk.0.ffn_down.weight": [HIDDEN, DIM],
}


def letters():
    """The alphabet in which byte-level BPE spells bytes."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = iter(range(256, 512))
    return [chr(byte if byte in shown else next(hidden)) for byte in range(256)]


# Of a layer without attention: 4 heads with states of 8 · 16 values.
HYBRID = {
    "attention.head_count_kv": (ARRAY, (U32, [0])),
    "ssm.conv_kernel": (U32, 4),
    "ssm.state_size": (U32, 8),
    "ssm.time_step_rank": (U32, 4),
    "ssm.group_count": (U32, 1),
    "ssm.inner_size": (U32, 64),
}


def of(architecture, keys):
    """The small model as one of another architecture, with more keys."""
    sizes = {"block_count": 1, "context_length": 256, "embedding_length": DIM, "feed_forward_length": HIDDEN, "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS}
    all_keys = {name: (U32, size) for name, size in sizes.items()} | {"attention.layer_norm_rms_epsilon": (F32, 1e-5)} | keys
    return model(keys={"general.architecture": (STRING, architecture)} | {f"{architecture}.{name}": value for name, value in all_keys.items()})


STREAMS = {"attention.sliding_window": (U32, 16), "altup.num_inputs": (U32, 4)}


def hybrid(key, value):
    return of("granitehybrid", HYBRID | {key: (U32, value)})


def model(*changes, **more):
    """The bytes of model_file()."""
    return model_file(*changes, **more).bytes()


def model_file(keys=(), tensors=(), seed=1, without=()):
    """The small model with some keys and tensors replaced or added. A tensor is name -> (dimensions, values or None), or (dimensions, type, bytes)."""
    tokens = [*letters(), MERGED, EOS]
    all_keys = {
        "general.architecture": (STRING, "llama"),
        "general.name": (STRING, "hostile"),
        "llama.block_count": (U32, 1),
        "llama.context_length": (U32, 256),
        "llama.embedding_length": (U32, DIM),
        "llama.feed_forward_length": (U32, HIDDEN),
        "llama.attention.head_count": (U32, HEADS),
        "llama.attention.head_count_kv": (U32, KV_HEADS),
        "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
        "tokenizer.ggml.model": (STRING, "gpt2"),
        "tokenizer.ggml.pre": (STRING, "default"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens)),
        "tokenizer.ggml.token_type": (ARRAY, (I32, [1] * 257 + [3])),
        "tokenizer.ggml.merges": (ARRAY, (STRING, ["a b"])),
        "tokenizer.ggml.eos_token_id": (U32, 257),
        "tokenizer.chat_template": (STRING, "{% for m in messages %}{{ m.content }}{% endfor %}"),
        **dict(keys),
    }
    all_tensors = {name: (dims, None) for name, dims in WEIGHTS.items()} | dict(tensors)
    for name in without:
        all_keys.pop(name, None)
        all_tensors.pop(name, None)
    directory, data = [], b""
    for name, (dims, *content) in all_tensors.items():
        data += b"\0" * (-len(data) % 32)
        if len(content) == 2:
            directory.append((name, dims, content[0], len(data)))
            data += content[1]
            continue
        (values,) = content
        count = 1
        for dim in dims:
            count *= dim
        if values is None:  # small and unlike each other, from a generator of 1958 (D. H. Lehmer's)
            values = []
            for _ in range(count):
                seed = seed * 16807 % 2147483647
                values.append(seed / 2147483647 - 0.5)
        directory.append((name, dims, TYPE_F32, len(data)))
        data += struct.pack(f"<{count}f", *values)
    return Gguf(keys=all_keys, tensors=directory, data=data)


def small():
    """A whole file that is quick to cut in every place."""
    return Gguf(
        keys={"name": (STRING, "tiny"), "words": (ARRAY, (STRING, ["a", "b"])), "nested": (ARRAY, (ARRAY, [(U8, [1, 2])])), "n": (I16, -5)},
        tensors=[("w", [32, 2], TYPE_Q4_0, 0), ("b", [3], TYPE_F32, 64)],
        data=bytes(range(76)),
    )


def truncated():
    """Every proper beginning of small(), with the part of the file where it ends."""
    gguf = small()
    whole = gguf.bytes()
    head = len(gguf.head())
    metadata = head + len(gguf.metadata())
    for length in range(1, len(whole)):
        if length < 4:
            yield Case(f"cut_{length}", whole[:length], UNSUPPORTED, "is not a GGUF file")
        elif length < head:
            yield Case(f"cut_{length}", whole[:length], CORRUPT, "it ends inside its header")
        elif length < metadata:
            yield Case(f"cut_{length}", whole[:length], CORRUPT, "metadata")
        elif length < metadata + 64:
            yield Case(f"cut_{length}", whole[:length], CORRUPT, "whose descriptions do not fit")
        elif length < metadata + len(gguf.directory()):
            yield Case(f"cut_{length}", whole[:length], CORRUPT, "it ends inside the description of tensor 2 of 2")
        else:
            yield Case(f"cut_{length}", whole[:length], CORRUPT, "the file ends at byte " + str(length))


def flipped():
    """(name, bytes): small() with each bit of its description changed in turn."""
    whole = small().bytes()
    for bit in range(8 * (len(whole) - 76)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit_{bit}", bytes(changed)


def impossible():
    nan = float("nan")

    def key(name, type, content, says, code=CORRUPT, **more):
        label = name.removeprefix("llama.").removeprefix("tokenizer.ggml.").replace(".", "_")
        return Case(label + "_" + repr(content)[:12].translate(str.maketrans("/'\\ ().,[]", "__________")), model(keys={name: (type, content)}, **more), code, says)

    def absent(name, says, code=CORRUPT):
        return Case("without_" + name.replace(".", "_"), model(without=[name]), code, says)

    return [
        absent("general.architecture", "does not say its architecture"),
        key("general.architecture", STRING, b"\x1b[2J\xff", "cannot run the architecture '?[2J?' yet", UNSUPPORTED),
        key("general.architecture", U32, 7, "does not say its architecture"),
        # the shape
        absent("llama.block_count", "the key llama.block_count is missing"),
        key("llama.block_count", U32, 0, "the key llama.block_count is 0"),
        key("llama.block_count", I32, -1, "the key llama.block_count is -1"),
        key("llama.block_count", U64, 2**63 - 1, "the key llama.block_count is 9223372036854775807"),
        key("llama.block_count", U32, 2, "has no tensor blk.1.attn_norm.weight"),
        key("llama.block_count", STRING, "1", "the key llama.block_count is not an integer"),
        key("llama.embedding_length", U32, 0, "the key llama.embedding_length is 0"),
        key("llama.embedding_length", U32, 2**31, "the key llama.embedding_length is 2147483648"),
        key("llama.embedding_length", U32, 64, "token_embd.weight has the shape (258, 32); the model's description asks for (258, 64)"),
        key("llama.feed_forward_length", I64, -(2**63), "the key llama.feed_forward_length is -9223372036854775808"),
        key("llama.context_length", I64, -1, "the key llama.context_length is -1"),
        key("llama.attention.head_count", U32, 0, "the key llama.attention.head_count is 0"),
        key("llama.attention.head_count", U32, 3, "the key llama.attention.key_length is missing"),
        key("llama.attention.head_count", U32, 64, "the key llama.attention.key_length is missing"),
        key("llama.attention.head_count_kv", U32, 3, "cannot run this shape: 2 heads and 3 KV heads", UNSUPPORTED),
        key("llama.attention.head_count_kv", U32, 0, "the key llama.attention.head_count_kv is 0"),
        key("llama.attention.head_count_kv", ARRAY, (U32, [1, 2]), "the key llama.attention.head_count_kv is an array of 2 numbers for 1 layers"),
        key("llama.attention.head_count_kv", ARRAY, (STRING, ["1"]), "the key llama.attention.head_count_kv is not an integer"),
        key("llama.attention.key_length", U32, 17, "the key llama.attention.key_length is odd", UNSUPPORTED),
        key("llama.attention.value_length", U32, 8, "Tensor blk.0.attn_v.weight has the shape (16, 32); the model's description asks for (8, 32)"),
        key("llama.rope.dimension_count", U32, 18, "the key llama.rope.dimension_count is 18"),
        key("llama.rope.dimension_count", U32, 3, "the key llama.rope.dimension_count is odd", UNSUPPORTED),
        key("llama.rope.freq_base", F32, 0.0, "the key llama.rope.freq_base is 0"),
        key("llama.rope.freq_base", F32, nan, "the key llama.rope.freq_base is nan"),
        key("llama.rope.freq_base", BOOL, 1, "the key llama.rope.freq_base is not a number"),
        key("llama.rope.scaling.type", STRING, "dynamic\x1b[2J", "RoPE scaling 'dynamic?[2J'", UNSUPPORTED),
        key("llama.rope.scaling.original_context_length", U32, 1 << 30, "the key llama.rope.scaling.original_context_length is 1073741824"),
        key("llama.rope.scale_linear", F32, -4.0, "the key llama.rope.scale_linear is -4"),
        key("llama.attention.layer_norm_rms_epsilon", F32, nan, "the key llama.attention.layer_norm_rms_epsilon is nan"),
        # keys and tensors that change the results and that MLXR does not know
        key("llama.expert_count", U32, 8, "the key llama.expert_used_count is missing"),
        Case("more_experts_used", model(keys={"llama.expert_count": (U32, 2), "llama.expert_used_count": (U32, 3)}), CORRUPT, "the key llama.expert_used_count is 3"),
        Case("experts_without_tensors", model(keys={"llama.expert_count": (U32, 2), "llama.expert_used_count": (U32, 1)}), UNSUPPORTED, "does not know the tensor 'blk.0.ffn_gate.weight'"),
        Case(
            "groups_of_unequal_size",
            model(keys={"llama.expert_count": (U32, 4), "llama.expert_used_count": (U32, 1), "llama.expert_group_count": (U32, 3)}),
            UNSUPPORTED,
            "the key llama.expert_group_count is 3",
        ),
        # recurrent layers, latent rows, shared keys
        Case("no_taps", hybrid("ssm.conv_kernel", 1), CORRUPT, "the key granitehybrid.ssm.conv_kernel is 1"),
        Case("taps_2_31", hybrid("ssm.conv_kernel", 2**31), CORRUPT, "the key granitehybrid.ssm.conv_kernel is 2147483648"),
        Case("state_of_100000", hybrid("ssm.state_size", 100000), CORRUPT, "the key granitehybrid.ssm.state_size is 100000"),
        Case("no_state", hybrid("ssm.state_size", 0), CORRUPT, "the key granitehybrid.ssm.state_size is 0"),
        Case("groups_of_heads", hybrid("ssm.group_count", 3), UNSUPPORTED, "the key granitehybrid.ssm.group_count is 3"),
        Case("heads_share_unevenly", hybrid("ssm.inner_size", 63), UNSUPPORTED, "the key granitehybrid.ssm.inner_size is 63"),
        Case("inner_size_2_30", hybrid("ssm.inner_size", 2**30), CORRUPT, "the key granitehybrid.ssm.inner_size is 1073741824"),
        Case("recurrent_without_tensors", hybrid("ssm.group_count", 1), UNSUPPORTED, "does not know the tensor"),
        Case("recurrent_layers_of_another_model", of("qwen35", HYBRID | {"attention.recurrent_layers": (ARRAY, (BOOL, []))}), CORRUPT, "attention.recurrent_layers is not one boolean for each layer"),
        Case("latent_0", of("deepseek2", {"attention.kv_lora_rank": (U32, 0)}), CORRUPT, "the key deepseek2.attention.kv_lora_rank is 0"),
        Case("latent_key_of_its_rotated_part", of("deepseek2", {"attention.kv_lora_rank": (U32, 8), "rope.dimension_count": (U32, 16)}), CORRUPT, "the key deepseek2.attention.key_length is"),
        Case("all_layers_share_keys", of("gemma4", {"attention.sliding_window": (U32, 16), "attention.shared_kv_layers": (U32, 1)}), CORRUPT, "the key gemma4.attention.shared_kv_layers is 1"),
        Case("soft_cap_below_0", of("gemma2", {"attn_logit_softcapping": (F32, -50.0)}), CORRUPT, "the key gemma2.attn_logit_softcapping is -50"),
        Case("soft_cap_of_nothing", of("gemma2", {"final_logit_softcapping": (F32, nan)}), CORRUPT, "the key gemma2.final_logit_softcapping is nan"),
        Case("soft_cap_without_end", of("gemma2", {"final_logit_softcapping": (F32, math.inf)}), CORRUPT, "the key gemma2.final_logit_softcapping is inf"),
        Case("no_stream", of("gemma3n", STREAMS | {"altup.num_inputs": (U32, 0)}), CORRUPT, "the key gemma3n.altup.num_inputs is 0"),
        Case("another_stream", of("gemma3n", STREAMS | {"altup.active_idx": (U32, 1)}), UNSUPPORTED, "the key gemma3n.altup.active_idx is 1"),
        Case("sparsity_of_nothing", of("gemma3n", STREAMS | {"activation_sparsity_scale": (ARRAY, (F32, [nan]))}), CORRUPT, "the key gemma3n.activation_sparsity_scale is nan"),
        Case("sparsity_of_another_model", of("gemma3n", STREAMS | {"activation_sparsity_scale": (ARRAY, (F32, [1.0, 2.0]))}), CORRUPT, "the key gemma3n.activation_sparsity_scale is an array of 2 numbers for 1 layers"),
        Case("experts_that_share_a_token", of("llama4", {"expert_count": (U32, 4), "expert_used_count": (U32, 2)}), UNSUPPORTED, "the key llama4.expert_used_count is 2"),
        Case("activation_without_parameters", of("apertus", {}), CORRUPT, "the key xielu.alpha_n is missing"),
        Case("no_layer_with_experts", of("llama4", {"expert_count": (U32, 4), "expert_used_count": (U32, 1), "interleave_moe_layer_step": (U32, 2**31)}), CORRUPT, "the key llama4.interleave_moe_layer_step is 2147483648"),
        key("llama.pooling_type", U32, 9, "the key llama.pooling_type is 9"),
        key("llama.attention.causal", U32, 7, "the key llama.attention.causal"),
        key("llama.attn_logit_softcapping", F32, 50.0, "attention soft-capping", UNSUPPORTED),
        key("llama.final_logit_softcapping", F32, 30.0, "soft-capping of logits", UNSUPPORTED),
        key("llama.logit_scale", F32, 0.5, "scaled logits", UNSUPPORTED),
        key("llama.rope.scaling.attn_factor", F32, nan, "the key llama.rope.scaling.attn_factor is nan"),
        key("llama.attention.scale", F32, 0.5, "a scale of attention", UNSUPPORTED),
        key("llama.brand_new", STRING, "\x1b[2J", "does not know the key 'llama.brand_new'", UNSUPPORTED),
        Case("norm_of_queries", model(tensors={"blk.0.attn_q_norm.weight": ([DIM // HEADS], None)}), UNSUPPORTED, "does not know the tensor 'blk.0.attn_q_norm.weight'"),
        Case("one_layer_more", model(tensors={"blk.1.ffn_up.weight": ([DIM, HIDDEN], None)}), UNSUPPORTED, "does not know the tensor 'blk.1.ffn_up.weight'"),
        Case("bias_of_the_embeddings", model(tensors={"token_embd.bias": ([258], None)}), UNSUPPORTED, "does not know the tensor 'token_embd.bias'"),
        # files that are no whole model
        key("general.type", STRING, "adapter", "is an adapter (LoRA)", UNSUPPORTED),
        key("general.type", STRING, "mmproj", "(mmproj), not a model", UNSUPPORTED),
        key("general.architecture", STRING, "clip", "(mmproj), not a model", UNSUPPORTED),
        Case("vocabulary", model(without=WEIGHTS), UNSUPPORTED, "holds a vocabulary and no weights"),
        absent("token_embd.weight", "has no tensor token_embd.weight"),
        absent("output_norm.weight", "has no tensor output_norm.weight"),
        absent("blk.0.ffn_down.weight", "has no tensor blk.0.ffn_down.weight"),
        Case("embeddings_in_one_dimension", model(tensors={"token_embd.weight": ([DIM], None)}), CORRUPT, "token_embd.weight should be a matrix"),
        Case("norm_in_two_dimensions", model(tensors={"output_norm.weight": ([DIM, 1], None)}), CORRUPT, "output_norm.weight has the shape (1, 32)"),
        Case("bias_too_short", model(tensors={"blk.0.attn_q.bias": ([8], None)}), CORRUPT, "attn_q.bias has the shape (8)"),
        Case("rope_factors_too_many", model(tensors={"rope_freqs.weight": ([9], None)}), CORRUPT, "rope_freqs.weight has the shape (9)"),
        Case("rope_factors_of_zero", model(tensors={"rope_freqs.weight": ([8], [0.0] * 8)}), CORRUPT, "rope_freqs.weight holds a factor that is not a positive number"),
        # the vocabulary
        absent("tokenizer.ggml.model", "tokenizer.ggml.model is missing"),
        absent("tokenizer.ggml.tokens", "tokenizer.ggml.tokens is missing or empty"),
        absent("tokenizer.ggml.merges", "tokenizer.ggml.merges is missing or empty"),
        key("tokenizer.ggml.model", STRING, "bert\x1b[2J", "is of the kind 'bert?[2J'", UNSUPPORTED),
        key("tokenizer.ggml.pre", STRING, b"\xff\x1b[2J", "'??[2J'", UNSUPPORTED),
        key("tokenizer.ggml.tokens", ARRAY, (U32, [1, 2]), "tokenizer.ggml.tokens is a list of integers, not a list of strings", UNSUPPORTED),
        key("tokenizer.ggml.tokens", ARRAY, (STRING, []), "tokenizer.ggml.tokens is missing or empty"),
        key("tokenizer.ggml.tokens", ARRAY, (STRING, [*letters(), MERGED]), "token_type has 258 integers for 257 tokens"),
        key("tokenizer.ggml.token_type", ARRAY, (I32, [1] * 10), "token_type has 10 integers for 258 tokens"),
        key("tokenizer.ggml.token_type", ARRAY, (STRING, ["1"] * 258), "tokenizer.ggml.token_type is a list of strings", UNSUPPORTED),
        key("tokenizer.ggml.merges", ARRAY, (STRING, ["b a"]), "none of its merges joins two tokens of its vocabulary to a third, as merge 0 ('b a') should"),
        key("tokenizer.ggml.merges", ARRAY, (STRING, [""]), "as merge 0 ('') should"),
        key("tokenizer.ggml.merges", ARRAY, (STRING, ["\x1b" * 1000]), "as merge 0 ('" + "?" * 80 + "...') should"),
        Case("more_tokens_than_embeddings", model(tensors={"token_embd.weight": ([DIM, 100], None)}), CORRUPT, "vocabulary has 258 tokens and its embeddings only 100 rows"),
        Case("scores_too_few", model(keys={"tokenizer.ggml.model": (STRING, "llama"), "tokenizer.ggml.scores": (ARRAY, (F32, [0.0]))}), CORRUPT, "scores has 1 numbers for 258 tokens"),
        Case("scores_of_words", model(keys={"tokenizer.ggml.model": (STRING, "llama"), "tokenizer.ggml.scores": (ARRAY, (STRING, ["0"] * 258))}), UNSUPPORTED, "scores is a list of strings, not a list of numbers"),
        Case("scores_nan", model(keys={"tokenizer.ggml.model": (STRING, "llama"), "tokenizer.ggml.scores": (ARRAY, (F32, [nan] * 258))}), CORRUPT, "the score of token 0 is not a number"),
        Case("byte_tokens_without_bytes", model(keys={"tokenizer.ggml.model": (STRING, "llama"), "tokenizer.ggml.scores": (ARRAY, (F32, [0.0] * 258)),
                                                      "tokenizer.ggml.token_type": (ARRAY, (I32, [6] * 258))}), CORRUPT, "byte token 0 is named"),
        # the chat template
        *(
            Case(f"template_{name}", model(keys={"tokenizer.chat_template": (STRING, source)}), UNSUPPORTED, "chat template" + says)
            for name, source, says in (
                ("unfinished", "{% for m in messages %}", ""),
                ("not_utf8", b"\xff{{ messages }}", ": not valid UTF-8"),
                ("huge", "{{ 1 }}" * 200000, ": its source has 1400000 bytes"),
                ("silent", "{{ bos_token }}", ": it prints a user's message neither from a string nor from parts"),
                ("nested", "{{ " + "(" * 100000 + "1" + ")" * 100000 + " }}", ", line 1: "),
                ("endless", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", ", line 1: the template takes"),
                ("recursive", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ", line 1: "),
                ("long", "{% for a in range(99999) %}{{ 'x' * 100000 }}{% endfor %}", ", line 1: the template"),
                ("hungry", "{{ 'x' * 10**12 }}", ", line 1: "),
            )
        ),
        # weights
        Case("weights_nan", model(tensors={"token_embd.weight": ([DIM, 258], [nan] * (DIM * 258))}), CORRUPT, "what it computes are not numbers"),
        Case("weights_some_nan", model(tensors={"blk.0.ffn_up.weight": ([DIM, HIDDEN], [nan, *[0.5] * (DIM * HIDDEN - 1)])}), CORRUPT, "are not numbers"),
        # packed weights multiply activations of 8 bits, in which there is no NaN
        Case("weights_nan_packed", model(tensors={"blk.0.ffn_up.weight": ([DIM, HIDDEN], TYPE_Q8_0, NAN_BLOCK * HIDDEN), "blk.0.ffn_down.weight": ([HIDDEN, DIM], TYPE_Q8_0, ONES_BLOCK * DIM)}), CORRUPT, "are not numbers"),
        # these are converted when they are loaded
        Case(
            "weights_nan_converted",
            model(
                keys={"llama.feed_forward_length": (U32, 128)},
                tensors={
                    "blk.0.ffn_gate.weight": ([DIM, 128], None),
                    "blk.0.ffn_up.weight": ([DIM, 128], None),
                    "blk.0.ffn_down.weight": ([128, DIM], TYPE_Q1_0, NAN_BLOCK[:18] * DIM),
                },
            ),
            CORRUPT,
            "tensor 'blk.0.ffn_down.weight' holds values that are not numbers",
        ),
        Case("weights_infinite", model(tensors={"output_norm.weight": ([DIM], [float("inf")] * DIM)}), CORRUPT, "are not numbers"),
    ]


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [(case.name, case.file) for case in (*damaged(), *truncated(), *impossible())] + [*flipped(), ("small", small().bytes()), ("model", model())]
    for name, data in files:
        (folder / f"{name}.gguf").write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
