"""Checks Markdown files: no line of prose has more than 100 columns, and every file that one refers to exists.

    check_markdown.py FILE...

Tables, code and lines that are one long word, such as a link, may be longer. A reference is the relative target of a link,
or a path in backticks that ends in .md; it counts from the file's own folder or, in backticks, from the current folder."""

import pathlib
import re
import sys

WIDTH = 100
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
NAMED_PAGE = re.compile(r"`([\w./-]+\.md)`")


def prose(text):
    """The lines, with their numbers, that are not in a block of code."""
    fenced = indented = False
    blank_before = True
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        indented = line.startswith("    ") and (blank_before or indented)
        blank_before = not line.strip()
        if not fenced and not indented:
            yield number, line


def too_long(line):
    words = re.sub(r"^\s*([-*>]|\d+\.)\s+", "", line).split()
    return len(line) > WIDTH and not line.lstrip().startswith("|") and len(words) > 1


def missing_files(line, folder):
    for target in LINK.findall(line):
        if not re.match(r"[a-z]+:", target) and not (folder / target).exists():
            yield target
    for target in NAMED_PAGE.findall(line):
        if not (folder / target).exists() and not pathlib.Path(target).exists():
            yield target


def problems(file):
    for number, line in prose(file.read_text()):
        if too_long(line):
            yield f"{file}:{number}: {len(line)} columns; prose has at most {WIDTH}"
        for target in missing_files(line, file.parent):
            yield f"{file}:{number}: there is no file {target}"


found = [problem for name in sys.argv[1:] for problem in problems(pathlib.Path(name))]
print(*found, sep="\n", end="\n" if found else "")
sys.exit(bool(found))
