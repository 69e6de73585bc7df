"""Every template, expression and statement gives what Python's jinja2 gives, and fails where it fails.

Usage: MLXR_RENDER_LINES=path/to/render_lines pytest tests/core/text/template
"""

import itertools
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import reference

HERE = Path(__file__).parent
TEMPLATES = sorted(HERE.glob("templates/*.jinja"))
CONVERSATIONS = json.loads((HERE / "conversations.json").read_text(encoding="utf-8"))
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def lines(name):
    return (HERE / name).read_text(encoding="utf-8").splitlines()


def ours(jobs):
    program = shlex.split(os.environ["MLXR_RENDER_LINES"])
    stdin = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run(program, input=stdin, capture_output=True, text=True, encoding="utf-8", check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(jobs)
    return answers


def assert_same(jobs):
    for job, mine in zip(jobs, ours(jobs)):
        theirs = reference.render(**job)
        assert mine.keys() == theirs.keys(), (job, mine, theirs)
        assert mine.get("output") == theirs.get("output"), (job, mine, theirs)


def contexts():
    for conversation, generate in itertools.product(CONVERSATIONS, (True, False)):
        yield SPECIAL | {"add_generation_prompt": generate} | conversation


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_template(path):
    source = path.read_text(encoding="utf-8")
    assert_same([{"template": source, "context": context} for context in contexts()])


def test_there_are_templates_for_the_families_in_use():
    assert len(TEMPLATES) >= 30


def test_expressions():
    assert_same([{"template": "{{ " + line + " }}", "context": {}} for line in lines("expressions.txt")])


def test_statements():
    assert_same([{"template": line.replace("\\n", "\n"), "context": {}} for line in lines("statements.txt")])


def models():
    folder = Path(os.environ.get("MLXR_TEST_MODELS", ".deps/models"))
    return sorted(folder.glob("*.gguf"))


def test_the_templates_in_real_model_files():
    gguf = pytest.importorskip("gguf")
    fields = [gguf.GGUFReader(path).fields.get("tokenizer.chat_template") for path in models()]
    sources = [field.contents() for field in fields if field is not None]
    if not sources:
        pytest.skip("no model file with a chat template in MLXR_TEST_MODELS")
    assert_same([{"template": source, "context": context} for source in sources for context in contexts()])
