"""Writes the inputs that the fuzzers start from: `python make_seeds.py FOLDER` makes FOLDER/{gguf,safetensors,folder,chat_template,tokenizer,stop_matcher}."""

import base64
import dataclasses
import json
import pathlib
import struct
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("core/formats", "core/models", "core/text/tokenizer", "reference")]
import charsmap  # noqa: E402
import folder_models  # noqa: E402
import hostile_folder  # noqa: E402
import hostile_gguf  # noqa: E402
import random_models  # noqa: E402
import test_encoders  # noqa: E402
import test_families  # noqa: E402
import test_folders  # noqa: E402

TEMPLATES = ROOT / "tests" / "core" / "text" / "template"
PUBLISHED = ROOT / "tests" / "core" / "models" / "published_descriptions.json"
SMALLEST_VOCABULARY = 259  # the bytes, a merge and the end of the text


def templates():
    for file in (TEMPLATES / "templates").glob("*.jinja"):
        yield file.read_bytes()
    for line in (TEMPLATES / "statements.txt").read_bytes().splitlines():
        yield line
    for line in (TEMPLATES / "expressions.txt").read_bytes().splitlines():
        yield b"{{ " + line + b" }}"


def texts():
    """The tokenizer's fuzzer reads choices from the end of its input, and the text from the beginning."""
    for text in ("Hello, world! ab aa aaaa", "  two  spaces\n\n\ttab 123 4567", "日本語 naïve 😀🏽 e\u0301", "\ufffd\u2581\u2581<0x0A></s>"):
        for choices in range(32):
            yield text.encode() + b"\0" * 16 + bytes([1, 0, 2, *(choices >> bit & 1 for bit in (2, 1, 0)), choices >> 3])


def heads_of_files(folder):
    """All that stands before the weights, of each family that runs from GGUF."""
    path = folder / "model.gguf"
    for shape in (*test_families.FAMILIES.values(), *test_families.AGAINST_LLAMA_CPP.values(), *test_encoders.FAMILIES.values(), *test_encoders.CROSS_ENCODERS.values()):
        writer, _ = random_models.write_head(path, dataclasses.replace(shape, vocabulary=SMALLEST_VOCABULARY), np.float32)
        writer.close()
        yield path.read_bytes()


def vocabularies():
    """The small model with a vocabulary of another kind."""
    for kind in ("llama", "gemma4", "t5", "bert"):
        keys = {"model": (hostile_gguf.STRING, kind), "scores": (hostile_gguf.ARRAY, (hostile_gguf.F32, [0.0] * 258)), "unknown_token_id": (hostile_gguf.U32, 0)}
        yield hostile_gguf.model(keys={f"tokenizer.ggml.{name}": value for name, value in keys.items()})


def described(folder):
    """A model folder as the fuzzer takes it: names, types and dimensions for the weights."""
    stored = (folder / "model.safetensors").read_bytes()
    header = json.loads(stored[8 : 8 + struct.unpack_from("<Q", stored)[0]])
    header.pop("__metadata__", None)
    tensors = {name: [entry["dtype"], *entry["shape"]] for name, entry in header.items()}
    return as_seed(json.loads((folder / "config.json").read_text()), hostile_folder.tokenizer(), tensors)


def as_seed(config, tokenizer, tensors=None):
    return b"\0".join(json.dumps(part, ensure_ascii=False).encode() for part in (config, tokenizer, tensors or {}))


def folders(folder):
    """Each family that runs from a folder, as it is published and as mlx-lm packs it."""
    for name, family in test_folders.FAMILIES.items():
        folder_models.save(folder / name, family, folder_models.as_published(family, folder_models.parameters(folder_models.build(family))))
        yield described(folder / name)
    for name, write in test_folders.PACKED.items():
        write(folder / f"packed-{name}", test_folders.TOKENS[:2])
        yield described(folder / f"packed-{name}")
    for kind in ("bert", "xlm-roberta"):
        (folder / kind).mkdir()
        test_encoders.random_bert(folder / kind, kind, architectures=["BertForSequenceClassification"])
        yield described(folder / kind)
    for config in json.loads(PUBLISHED.read_text()).values():
        yield as_seed(config, hostile_folder.tokenizer())


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


BERT_WORDS = {"type": "BertPreTokenizer"}
NORMALIZERS = [
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    sequence("normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True}),
    sequence("normalizers", {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}, {"type": "Nmt"}),
    sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap.build({"é": "e", "ab": "b", "１": "1"})).decode()}, {"type": "NFKD"}, {"type": "NFC"}),
    sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
]
PRETOKENIZERS = [
    BERT_WORDS,
    sequence("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}),
    sequence("pretokenizers", {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "Isolated", "invert": False}, {"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}),
    sequence("pretokenizers", {"type": "Punctuation", "behavior": "MergedWithPrevious"}, {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": True}),
]
LETTERS = ["▁", *"abcdeHlorw1", "##b", "ab", "▁ab", "aa"]
MODELS = [
    {"type": "BPE", "byte_fallback": True, "unk_token": "a", "vocab": {text: i for i, text in enumerate([*LETTERS, *(f"<0x{byte:02X}>" for byte in (0, 10, 33))])}, "merges": ["a b", ["▁", "ab"], "a a"]},
    {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [[text, -i / 2] for i, text in enumerate(LETTERS)]},
    {"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {text: i for i, text in enumerate(LETTERS)}},
]


def tokenizers():
    """Each kind of model, with each way to normalize a text and to cut it."""
    added = [{"id": len(LETTERS) + 3, "content": "<|end|>", "special": True}, {"id": 3, "content": "c", "single_word": True, "lstrip": True, "rstrip": True}]
    ends = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|end|>", "type_id": 0}}]}
    for model in (hostile_folder.tokenizer()["model"], *MODELS):
        for i, normalizer in enumerate(NORMALIZERS):
            whole = hostile_folder.tokenizer(normalizer=normalizer, pre_tokenizer=PRETOKENIZERS[i % len(PRETOKENIZERS)], added_tokens=added, post_processor=ends, bos_token="a", eos_token="<|end|>", add_bos_token=True)
            yield as_seed({}, {**whole, "model": model})


def write(folder, kind, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"{kind}_{number}").write_bytes(seed)


if __name__ == "__main__":
    seeds = pathlib.Path(sys.argv[1])
    hostile_gguf.main(seeds / "gguf")
    write(seeds / "gguf", "shard", (file.bytes() for file in hostile_gguf.shards(hostile_gguf.model_file(), 2).values()))
    hostile_folder.main(seeds)
    with tempfile.TemporaryDirectory() as scratch:
        write(seeds / "gguf", "family", heads_of_files(pathlib.Path(scratch)))
        write(seeds / "gguf", "vocabulary", vocabularies())
        write(seeds / "folder", "family", folders(pathlib.Path(scratch)))
    write(seeds / "folder", "tokenizer", tokenizers())
    write(seeds / "chat_template", "seed", templates())
    write(seeds / "tokenizer", "seed", texts())
    write(seeds / "stop_matcher", "seed", (b"one ## two ### three <|im_end|> \\\\ \\ abcdef\\ cd\\" * n for n in range(1, 5)))
