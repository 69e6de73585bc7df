"""scripts/lint holds Markdown to 100 columns, and finds references to files that do not exist (scripts/lib/check_markdown.py)."""

import pathlib
import subprocess
import sys

import pytest

CHECK = pathlib.Path(__file__).parents[2] / "scripts/lib/check_markdown.py"
LONG = "word " * 21  # 105 columns


def check(folder, text):
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs/page.md").write_text(text)
    return subprocess.run([sys.executable, CHECK, "docs/page.md"], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("text", [LONG, f"- {LONG}", f"> {LONG}", f"# Title\n\n   {LONG}", f"A list:\n- one\n    {LONG}"])
def test_a_long_line_of_prose_is_named(tmp_path, text):
    done = check(tmp_path, text + "\n")
    assert done.returncode == 1
    assert done.stdout.startswith(f"docs/page.md:{text.count(chr(10)) + 1}: ") and "at most 100" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20,  # 100 columns with the last space
        f"| cell | {LONG} |",
        f"Code:\n\n    {LONG}\n    {LONG}",
        f"```\n{LONG}\n```",
        f"- [{'x' * 60}](https://example.com/{'y' * 60})",
    ],
)
def test_tables_code_and_lone_links_may_be_longer(tmp_path, text):
    done = check(tmp_path, text + "\n")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("text", ["See [this](gone.md).", "See [this](gone.md#part).", "See `docs/gone.md`.", "| [a](gone.png) |"])
def test_a_reference_to_a_file_that_does_not_exist_is_named(tmp_path, text):
    done = check(tmp_path, f"# Title\n{text}\n")
    assert done.returncode == 1
    assert done.stdout.startswith("docs/page.md:2: there is no file ") and "gone" in done.stdout


def test_other_references_are_left_alone(tmp_path):
    links = ["[own](page.md)", "[above](../docs/page.md#title)", "`docs/page.md`", "[web](https://example.com)", "[here](#title)", "`ls *.md`"]
    done = check(tmp_path, "\n".join(links) + "\n")
    assert (done.returncode, done.stdout) == (0, "")
