"""Every *.yaml beside this file is a conversation with the daemon (conversation.py says how to write one)."""

import pathlib

import conversation
import httpx
import pytest
import yaml

HERE = pathlib.Path(__file__).parent
FILES = sorted(HERE.glob("*/*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(HERE).with_suffix("")))
def test_conversation(daemon, file):
    with daemon.client() as client:
        conversation.run(client, yaml.safe_load(file.read_text()))


def test_each_file_says_why_and_expects_something():
    """A misspelled name would be passed over: no file that looks like a conversation lies where it is not found."""
    assert sorted(path for path in HERE.rglob("*.y*ml")) == FILES
    for file in FILES:
        told = yaml.safe_load(file.read_text())
        assert told.keys() == {"why", "request", "expect"} and told["why"], file
        assert "status" in told["expect"] and len(told["expect"]) > 1, file


class Answers:
    """Stands for the daemon: answers anything with 200 and {"model": "m"}."""

    def request(self, method, path, **request):
        return httpx.Response(200, json={"model": "m"})


@pytest.mark.parametrize("expect", [{"status": 404}, {"status": 200, "model": "n"}, {"status": 200, "nothing": "m"}, {"status": 200, "model": {"absent": True}},
                                    {"status": 200, "model": {"excludes": "m"}}, {"status": 200, "headers.retry-after": 1}, {}])  # fmt: skip
def test_what_is_not_so_fails(expect):
    conversation.run(Answers(), {"request": {"get": "/x"}, "expect": {"status": 200, "model": "m"}})
    with pytest.raises(AssertionError):
        conversation.run(Answers(), {"request": {"get": "/x"}, "expect": expect})
