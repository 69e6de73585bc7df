"""A folder's tokenizer.json gives the ids that Hugging Face `tokenizers` gives with the same file. Small vocabularies, trained here."""

import json
import pathlib
import sys

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import mixed_text
from test_against_hugging_face import ours

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "formats"))
import hostile_folder  # noqa: E402
from dump_tool import write  # noqa: E402

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIALS = ["<s>", "</s>", "<|im_start|>"]


def trained(tokenizer, **more):
    corpus = [text.decode("utf-8", "replace") for text in mixed_text.texts(1 << 16, [" "], seed=1)]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=2000, special_tokens=SPECIALS, show_progress=False, **more))
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return tokenizer


def byte_level(*steps, normalizer=None):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not any(isinstance(step, pre_tokenizers.Split) for step in steps))])
    tokenizer.decoder = decoders.ByteLevel()
    return trained(tokenizer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def byte_fallback(prefix):
    """As the models of SentencePiece were converted: bytes are tokens, spaces are "▁"."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    trained(tokenizer, limit_alphabet=200)
    whole = json.loads(tokenizer.to_str())
    vocabulary = whole["model"]["vocab"]
    for text in ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]:
        vocabulary[text] = max(vocabulary.values()) + 1
    tool = next(token for token in whole["added_tokens"] if token["content"] == "<tool>")
    tool["id"] = max(vocabulary.values()) + 1
    return Tokenizer.from_str(json.dumps(whole))


TOKENIZERS = {
    "gpt-2": lambda: byte_level(),
    "digits": lambda: byte_level(pre_tokenizers.Digits(individual_digits=True)),
    "three digits": lambda: byte_level(pre_tokenizers.Split(Regex(LLAMA3), "isolated")),
    "nfc": lambda: byte_level(pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated"), normalizer=normalizers.NFC()),
    "fallback": lambda: byte_fallback(prefix=False),
    "fallback with a prefix": lambda: byte_fallback(prefix=True),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ids(name, tmp_path):
    tokenizer = TOKENIZERS[name]()
    folder = tmp_path / "model"
    write(folder, hostile_folder.folder(config={"vocab_size": None}, tokens=json.loads(tokenizer.to_str()), tokenizer_config__json={"bos_token": "<s>", "eos_token": "</s>"}))
    texts = list(mixed_text.texts(1 << 18, [*SPECIALS, "<tool>"]))
    decoded = [text.decode("utf-8", "replace") for text in texts]
    for flags, with_bos in [(b"s-", False), (b"sb", True)]:
        expected = [encoding.ids for encoding in tokenizer.encode_batch(decoded, add_special_tokens=with_bos)]
        got = [ids for ids, _ in ours(folder, texts, flags)]
        assert sum(a != b for a, b in zip(got, expected, strict=True)) == 0
