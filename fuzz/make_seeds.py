"""Writes the inputs that the fuzzers start from: `python make_seeds.py FOLDER` makes FOLDER/{gguf,safetensors,folder,chat_template,tokenizer,stop_matcher}."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "core" / "formats"))
import hostile_folder  # noqa: E402
import hostile_gguf  # noqa: E402

TEMPLATES = ROOT / "tests" / "core" / "text" / "template"


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
        for choices in range(8):
            yield text.encode() + b"\0" * 16 + bytes([1, 0, 2, choices >> 2 & 1, choices >> 1 & 1, choices & 1])


def write(folder, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed_{number}").write_bytes(seed)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    hostile_gguf.main(folder / "gguf")
    write(folder / "gguf", (file.bytes() for file in hostile_gguf.shards(hostile_gguf.model_file(), 2).values()))
    hostile_folder.main(folder)
    write(folder / "chat_template", templates())
    write(folder / "tokenizer", texts())
    write(folder / "stop_matcher", (b"one ## two ### three <|im_end|> \\\\ \\ abcdef\\ cd\\" * n for n in range(1, 5)))
