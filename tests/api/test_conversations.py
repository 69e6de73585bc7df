"""Every *.yaml beside this file is a conversation with the daemon (conversation.py says how to write one)."""

import pathlib

import conversation
import pytest
import yaml

HERE = pathlib.Path(__file__).parent
FILES = sorted(HERE.glob("*/*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(HERE).with_suffix("")))
def test_conversation(daemon, file):
    with daemon.client() as client:
        conversation.run(client, yaml.safe_load(file.read_text()))


def test_every_api_family_has_conversations():
    assert {file.parent.name for file in FILES} >= {"openai", "ollama", "native"}
