"""A folder's tokenizer.json gives the ids that Hugging Face `tokenizers` gives with the same file. Small vocabularies, trained here."""

import functools
import json
import pathlib
import subprocess
import sys

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import charsmap
import mixed_text
from test_against_hugging_face import ENCODE, ours

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "formats"))
import hostile_folder  # noqa: E402
from dump_tool import write  # noqa: E402

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^""" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[" + "\r\n" + r"]*|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+"]
SPECIALS = ["<s>", "</s>", "<|im_start|>"]


@functools.cache
def corpus():
    return [text.decode("utf-8", "replace") for text in mixed_text.texts(1 << 16, [" "], seed=1)]


def trained(tokenizer, trainer=trainers.BpeTrainer, first="<s>", last=None, size=2000, **more):
    tokenizer.train_from_iterator(corpus(), trainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False, **more))
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    ends = [token for token in (first, last) if token]
    tokenizer.post_processor = processors.TemplateProcessing(single=" ".join(token or "" for token in (first, "$A", last)).strip(), special_tokens=[(token, tokenizer.token_to_id(token)) for token in ends])
    return tokenizer


def byte_level(*steps, normalizer=None, prefix=False):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=not any(isinstance(step, pre_tokenizers.Split) for step in steps))])
    tokenizer.decoder = decoders.ByteLevel()
    return trained(tokenizer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def changed(tokenizer, change):
    """The tokenizer after a change of its JSON."""
    whole = json.loads(tokenizer.to_str())
    change(whole)
    return Tokenizer.from_str(json.dumps(whole))


def ignoring_merges(tokenizer):
    return changed(tokenizer, lambda whole: whole["model"].update(ignore_merges=True))


def stripping(tokenizer):
    """As Phi-3 and ModernBERT: spaces beside some special tokens belong to them."""
    def change(whole):
        for token in whole["added_tokens"]:
            token.update(rstrip=token["content"] == "<|im_start|>", lstrip=token["content"] in ("</s>", "<|im_start|>"))
    return changed(tokenizer, change)


def byte_fallback(*normalizer, metaspace=None):
    """As the models of SentencePiece were converted: bytes are tokens, spaces are "▁"."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if normalizer:
        tokenizer.normalizer = normalizers.Sequence(list(normalizer)) if len(normalizer) > 1 else normalizer[0]
    if metaspace:
        tokenizer.pre_tokenizer = metaspace
    trained(tokenizer, limit_alphabet=200)

    def change(whole):
        vocabulary = whole["model"]["vocab"]
        for text in ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]:
            vocabulary[text] = max(vocabulary.values()) + 1
        next(token for token in whole["added_tokens"] if token["content"] == "<tool>")["id"] = max(vocabulary.values()) + 1
    return changed(tokenizer, change)


def whole_words(tokenizer):
    """Added tokens that are none within a word (huggingface/tokenizers#918)."""
    def change(whole):
        for token in whole["added_tokens"]:
            token.update(single_word=True)
        next_id = 1 + max(token["id"] for token in whole["added_tokens"])
        for i, text in enumerate(("the", "Wort", "日本", "an")):
            if text not in whole["model"]["vocab"]:
                whole["added_tokens"].append({"id": next_id + i, "content": text, "single_word": True, "lstrip": i == 1, "rstrip": i == 1, "normalized": False, "special": i == 2})
    return changed(tokenizer, change)


def older(tokenizer):
    """Merges as text (robertknight/rten#391), names of parts that are empty, and limits that are for training."""
    def change(whole):
        model = whole["model"]
        model.update(merges=[one if isinstance(one, str) else " ".join(one) for one in model["merges"]], continuing_subword_prefix="", end_of_word_suffix="", dropout=None)
        whole["truncation"] = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    return changed(tokenizer, change)


def overlapping(tokenizer):
    """Added tokens that begin as others do, of spaces alone, and without a text."""
    def change(whole):
        next_id = 1 + max(token["id"] for token in whole["added_tokens"])
        for i, text in enumerate(("<tool>x", "<t", "tool>", "  ", "    ", "\n\n", "")):
            whole["added_tokens"].append({"id": next_id + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False})
    return changed(tokenizer, change)


SPACES = normalizers.Replace(" ", "▁")


def wordpiece(**options):
    """As BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trained(tokenizer, trainers.WordPieceTrainer, limit_alphabet=300, first="<s>", last="</s>")
    return changed(tokenizer, lambda whole: whole["model"]["vocab"].update({"[UNK]": 3 + max(whole["model"]["vocab"].values())}))


def unigram(*steps, normalizer=None, byte_fallback=False):
    """As XLM-RoBERTa and T5."""
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(steps)) if len(steps) > 1 else steps[0]
    trained(tokenizer, trainers.UnigramTrainer, unk_token="<unk>", size=7000, first=None, last="</s>")

    def change(whole):
        for entry in whole["model"]["vocab"]:
            entry[1] = round(entry[1] * 1024) / 1024  # `tokenizers` reads longer fractions with an error in the last bit, which decides ties
        if not byte_fallback:
            return
        whole["model"]["byte_fallback"] = True
        whole["model"]["vocab"] += [[f"<0x{byte:02X}>", -1e4] for byte in range(256)]
        next(token for token in whole["added_tokens"] if token["content"] == "<tool>")["id"] = len(whole["model"]["vocab"])
    return changed(tokenizer, change)


def precompiled():
    return normalizers.Precompiled(charsmap.nfkc())


TOKENIZERS = {
    "gpt-2": lambda: byte_level(),
    "digits": lambda: byte_level(pre_tokenizers.Digits(individual_digits=True)),
    "three digits": lambda: byte_level(split(LLAMA3)),
    "llama 3": lambda: ignoring_merges(byte_level(split(LLAMA3))),
    "qwen": lambda: byte_level(split(LLAMA3.replace("{1,3}", "")), normalizer=normalizers.NFC()),
    "stablelm 2": lambda: byte_level(split(LLAMA3.replace("{1,3}", "")), normalizer=None),
    "command-r": lambda: byte_level(pre_tokenizers.Digits(individual_digits=True), normalizer=normalizers.NFC()),
    "olmo 2": lambda: byte_level(split(LLAMA3, "removed", invert=True), normalizer=normalizers.NFC()),
    "exaone 4": lambda: byte_level(normalizer=normalizers.NFC()),
    "deepseek": lambda: byte_level(*map(split, DEEPSEEK), normalizer=normalizers.Sequence([])),
    "roberta": lambda: byte_level(prefix=True),
    "nameless": lambda: byte_level(split(r"\p{Lu}+(?=\p{Ll})|[^\S\n]+$|\p{N}+", "merged_with_next"), pre_tokenizers.Punctuation("contiguous"), split(r"\p{Lo}", "merged_with_previous"),
                                   normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])),
    "stripping": lambda: stripping(byte_level()),
    "older": lambda: older(byte_level()),
    "overlapping": lambda: overlapping(byte_level()),
    "whole words": lambda: whole_words(byte_level()),
    "nothing is left after a normalizer, bytes": lambda: byte_level(normalizer=normalizers.Replace(Regex(r"[\p{S}\s]+"), ""), prefix=True),
    "nothing is left after a normalizer, unigram": lambda: unigram(pre_tokenizers.Metaspace(), normalizer=normalizers.Replace(Regex(r"[\p{S}\s]+"), "")),
    "nothing is left after a normalizer": lambda: byte_fallback(normalizers.Strip(), normalizers.Replace(Regex(r"\p{S}+"), ""), SPACES),
    "fallback": lambda: byte_fallback(SPACES),
    "fallback with a prefix": lambda: byte_fallback(normalizers.Prepend("▁"), SPACES),
    "fallback with a first prefix": lambda: byte_fallback(metaspace=pre_tokenizers.Metaspace(prepend_scheme="first", split=False)),
    "fallback with words": lambda: byte_fallback(normalizers.NFKC(), metaspace=pre_tokenizers.Metaspace(prepend_scheme="always")),
    "bert": lambda: wordpiece(),
    "bert, cased": lambda: wordpiece(lowercase=False),
    "bert, cased, without accents": lambda: wordpiece(lowercase=False, strip_accents=True),
    "xlm-roberta": lambda: unigram(pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(), normalizer=precompiled()),
    "t5": lambda: unigram(pre_tokenizers.Metaspace(prepend_scheme="first"), normalizer=normalizers.Sequence([precompiled(), normalizers.Replace(Regex(" {2,}"), " ")])),
    "albert": lambda: unigram(pre_tokenizers.Metaspace(), normalizer=normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])),
    "unigram with bytes": lambda: unigram(pre_tokenizers.Metaspace(prepend_scheme="never"), normalizer=normalizers.Nmt(), byte_fallback=True),
}


def folder_of(tokenizer, path, **settings):
    config = {"bos_token": "<s>", "eos_token": "</s>"} | ({"cls_token": "<s>", "sep_token": "</s>"} if isinstance(tokenizer.model, models.WordPiece) else {})
    write(path, hostile_folder.folder(config={"vocab_size": None}, tokens=json.loads(tokenizer.to_str()), tokenizer_config__json=config | settings))
    return path


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ids(name, tmp_path):
    tokenizer = TOKENIZERS[name]()
    folder = folder_of(tokenizer, tmp_path / "model")
    tokenizer.no_truncation()
    texts = list(mixed_text.texts(1 << 18, [*SPECIALS, "<tool>", " <s> ", "\n<|im_start|>\t"]))
    decoded = [text.decode("utf-8", "replace") for text in texts]
    for flags, with_ends in [(b"s-", False), (b"sb", True)]:
        expected = [encoding.ids for encoding in tokenizer.encode_batch(decoded, add_special_tokens=with_ends)]
        got = [ids for ids, _ in ours(folder, texts, flags)]
        different = [(text, ids, want) for text, ids, want in zip(decoded, got, expected, strict=True) if ids != want]
        assert not different, explained(tokenizer, different)


def explained(tokenizer, different):
    text, ids, want = min(different, key=lambda one: len(one[0]))
    at = next(i for i, (a, b) in enumerate(zip(ids + [-1], want + [-1])) if a != b)
    tokens = [[tokenizer.id_to_token(i) for i in part[max(0, at - 3):at + 5]] for part in (ids, want)]
    return f"{len(different)} texts differ; in one of them MLXR has {tokens[0]} and `tokenizers` has {tokens[1]}: {text[:400]!r}"


def test_of_a_list_of_chat_templates_requests_with_tools_get_the_one_for_them(tmp_path):
    tokenizer = byte_level()
    listed = [{"name": name, "template": name + ": {{ messages[0].content }}"} for name in ("rag", "tool_use", "default")]
    folder = folder_of(tokenizer, tmp_path / "model", chat_template=listed)
    message = {"messages": [{"role": "user", "content": "Hi"}]}
    contexts = {"default: Hi": message, "tool_use: Hi": message | {"tools": [{"type": "function"}]}}
    done = subprocess.run([*ENCODE, folder, "--chats"], input="".join(json.dumps(context) + "\n" for context in contexts.values()), capture_output=True, text=True, check=True)
    assert [list(map(int, line.split())) for line in done.stdout.splitlines()] == [tokenizer.encode(text).ids for text in contexts]


def test_one_first_token(tmp_path):
    """ggml-org/llama.cpp#15086, sgl-project/sglang#888: a template's own first token was followed by another one."""
    tokenizer = byte_level()
    context = json.dumps({"messages": [{"role": "user", "content": "Hi"}]}) + "\n"
    for number, template in enumerate(("{{ bos_token }}{{ messages[0].content }}", "{{ messages[0].content }}")):
        folder = folder_of(tokenizer, tmp_path / str(number), chat_template=template, add_bos_token=True)
        done = subprocess.run([*ENCODE, folder, "--chats"], input=context, capture_output=True, text=True, check=True)
        assert list(map(int, done.stdout.split())) == tokenizer.encode("Hi").ids


def test_the_ends_of_all_files_end_an_answer(tmp_path):
    """ml-explore/mlx-lm#1414, Blaizzy/mlx-vlm#309: config.json named an old one, and the tokenizer's own was ignored; of a list the first alone was read."""
    tokenizer = byte_level()
    config = {"vocab_size": None, "eos_token_id": 300}
    files = hostile_folder.folder(config=config, tokens=json.loads(tokenizer.to_str()), tokenizer_config__json={"eos_token": "</s>"}, generation_config__json={"eos_token_id": [301, 302, 303]})
    write(tmp_path / "model", files)
    done = subprocess.run([*ENCODE, tmp_path / "model", "--ends"], capture_output=True, text=True, check=True)
    ends = {tokenizer.token_to_id("</s>"), 300, 301, 302, 303}
    assert set(map(int, done.stdout.split())) == ends


REFUSED = {
    "an unknown normalizer": lambda whole: whole.update(normalizer={"type": "ByteLevel"}),
    "an unknown pre-tokenizer": lambda whole: whole.update(pre_tokenizer={"type": "UnicodeScripts"}),
    "a step in a sequence": lambda whole: whole["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Whitespace"}),
    "a class of classes": lambda whole: whole["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Split", "pattern": {"Regex": "[a-z&&[^b]]"}, "behavior": "Isolated", "invert": False}),
    "a pattern that is none": lambda whole: whole["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": False}),
    "a behavior that is none": lambda whole: whole["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Split", "pattern": {"String": "a"}, "behavior": "Shuffled", "invert": False}),
    "a step after the bytes": lambda whole: whole["pre_tokenizer"]["pretokenizers"].append({"type": "WhitespaceSplit"}),
    "no bytes": lambda whole: whole.update(pre_tokenizer={"type": "WhitespaceSplit"}),
    "an unknown model": lambda whole: whole["model"].update(type="WordLevel"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name(name, tmp_path):
    tokenizer = json.loads(byte_level().to_str())
    REFUSED[name](tokenizer)
    write(tmp_path / "model", hostile_folder.folder(config={"vocab_size": None}, tokens=tokenizer))
    done = subprocess.run([*ENCODE, tmp_path / "model"], input=b"", capture_output=True)
    assert done.returncode == 1 and done.stderr.startswith(b"MLXR cannot run this model") and done.stderr.count(b"\n") == 1, done.stderr
