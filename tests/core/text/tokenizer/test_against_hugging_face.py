"""Token ids equal those of Hugging Face `tokenizers`, built from the same file; and text comes back as it went in."""
import functools
import json
import os
import pathlib
import shlex
import struct
import subprocess
import sys

import gguf
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

import mixed_text

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "template"))
import reference  # noqa: E402

CONVERSATIONS = json.loads((pathlib.Path(reference.__file__).parent / "conversations.json").read_text(encoding="utf-8"))

MODELS = pathlib.Path(os.environ.get("MLXR_TEST_MODELS", ".deps/models"))
ENCODE = shlex.split(os.environ.get("MLXR_ENCODE_TEXTS", "build/dev/tests/encode_texts"))
BYTES = 1 << 20
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4


def model_file(name):
    path = MODELS / name
    if not path.exists():
        pytest.skip(f"{name} is not in MLXR_TEST_MODELS ({MODELS})")
    return path


def ours(path, texts, flags):
    """[(ids, detokenized bytes)] for each text."""
    stdin = b"".join(flags + struct.pack("<I", len(text)) + text for text in texts)
    out = subprocess.run([*ENCODE, path], input=stdin, stdout=subprocess.PIPE, check=True).stdout
    lines = out.split(b"\n")[:-1]
    assert len(lines) == len(texts)
    return [([int(i) for i in ids.split()], bytes.fromhex(back.decode())) for ids, back in (line.split(b"\t") for line in lines)]


class File:
    def __init__(self, path):
        self.fields = gguf.GGUFReader(path).fields
        self.tokens = self.values("tokens")
        self.types = self.values("token_type")

    def values(self, key):
        return self.fields["tokenizer.ggml." + key].contents()

    def of_type(self, *types):
        return [token for token, kind in zip(self.tokens, self.types) if kind in types]

    def vocab(self):
        return {token: i for i, token in enumerate(self.tokens)}

    def add_specials(self, tokenizer, parse_special):
        kinds = (USER_DEFINED, CONTROL, UNKNOWN) if parse_special else (USER_DEFINED,)
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in self.of_type(*kinds)])
        return tokenizer


def smollm(file, parse_special):
    merges = [tuple(merge.split(" ")) for merge in file.values("merges")]
    tokenizer = Tokenizer(models.BPE(vocab=file.vocab(), merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    return file.add_specials(tokenizer, parse_special)


def gemma(file, parse_special):
    """Merges rebuilt from the scores: best score first; SentencePiece merges every split of a piece with the piece's score."""
    # The file keeps user-defined runs of spaces as spaces; the model's own vocabulary spells them with the space mark.
    vocab = {token: i for i, token in enumerate(file.tokens)}
    scores = file.values("scores")
    merges = []
    for i, token in enumerate(file.tokens):
        if file.types[i] not in (NORMAL, USER_DEFINED):
            continue
        splits = [(token[:at], token[at:]) for at in range(1, len(token)) if token[:at] in vocab and token[at:] in vocab]
        merges += [(scores[i], split) for split in sorted(splits, key=lambda s: (vocab[s[0]], vocab[s[1]]))]
    merges.sort(key=lambda m: (m[0], len(m[1][0]), len(m[1][1])), reverse=True)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[split for _, split in merges], byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    return file.add_specials(tokenizer, parse_special)


BUILDERS = {"SmolLM2-135M-Instruct.Q4_1.gguf": smollm, "gemma-3-270m-q4_k_m.gguf": gemma}


@functools.cache
def model(name, parse_special):
    """(path, File, the reference's tokenizer)"""
    path = model_file(name)
    file = File(path)
    return path, file, BUILDERS[name](file, parse_special)


@pytest.mark.parametrize("parse_special", [True, False], ids=["special", "plain"])
@pytest.mark.parametrize("name", BUILDERS)
def test_ids_and_round_trip(name, parse_special):
    path, file, tokenizer = model(name, parse_special)
    specials = file.of_type(CONTROL)[:30] + file.of_type(USER_DEFINED)[:300] or ["<none>"]
    texts = list(mixed_text.texts(BYTES, specials))
    decoded = [text.decode("utf-8", "replace") for text in texts]
    expected = tokenizer.encode_batch(decoded, add_special_tokens=False)
    assert sum(map(len, texts)) >= BYTES
    # What a conversation says is tokenized as plain text is, control tokens or not.
    for flags in [b"s-"] if parse_special else [b"--", b"c-"]:
        assert_same(file, decoded, expected, ours(path, texts, flags), round_trip=not parse_special)


def assert_same(file, decoded, expected, answers, round_trip):
    different = []
    for text, want, (ids, back) in zip(decoded, expected, answers):
        if ids != want.ids:
            at = next(i for i, (a, b) in enumerate(zip(ids + [-1], want.ids + [-1])) if a != b)
            different.append((want.ids[at - 2:at + 6], ids[at - 2:at + 6], [file.tokens[i] for i in want.ids[at - 2:at + 6]]))
        if round_trip:  # control tokens have no text
            assert back == text.encode()
    assert not different, f"{len(different)} of {len(decoded)} texts differ; the first: {different[:3]}"


@pytest.mark.parametrize("name", BUILDERS)
def test_whole_chats(name):
    """Prompts have the ids that jinja2 and `tokenizers` give them, as long as no message says what a control token is called."""
    path, file, tokenizer = model(name, True)
    source = file.fields.get("tokenizer.chat_template")
    if source is None:
        pytest.skip(f"{name} has no chat template")
    special = {key: file.tokens[file.values(key.replace("_token", "_token_id"))] for key in ("bos_token", "eos_token")}
    controls = file.of_type(CONTROL)
    contexts = [conversation | {"add_generation_prompt": True} for conversation in CONVERSATIONS if not any(token in json.dumps(conversation) for token in controls)]
    done = subprocess.run([*ENCODE, path, "--chats"], input="".join(json.dumps(c) + "\n" for c in contexts), capture_output=True, text=True, check=True)
    bos = file.values("bos_token_id")
    compared = 0
    for context, line in zip(contexts, done.stdout.split("\n")):
        theirs = reference.render(source.contents(), special | context)
        if line.startswith("error: "):
            # MLXR also refuses what loses the question, and an empty prompt
            assert "error" in theirs or not theirs["output"] or "leaves out" in line, (context, line, theirs)
            continue
        want = tokenizer.encode(theirs["output"], add_special_tokens=False).ids
        ids = [int(i) for i in line.split()]
        assert ids in (want, [bos, *want]), (context, ids, want)
        compared += 1
    assert compared > len(contexts) / 2
