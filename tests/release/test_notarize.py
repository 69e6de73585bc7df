"""Requests to Apple's notary service, and the messages of a release without it."""

import pathlib
import subprocess

import notarize
import pytest

ARTEFACT = pathlib.Path("MLXR-1.0.0.dmg")


@pytest.fixture
def rcodesign(tmp_path):
    """Stands for rcodesign, writes down what it was called with, and is refused by the service where the file is called damaged."""
    program = tmp_path / "rcodesign"
    program.write_text(f'#!/bin/sh\necho "$*" >>"{tmp_path}/log"\ncase "$*" in *damaged*) echo Invalid; exit 1;; esac\n')
    program.chmod(0o755)
    return program


def asked(rcodesign):
    log = rcodesign.with_name("log")
    return log.read_text().splitlines() if log.exists() else []


def test_an_image_is_submitted_and_stapled(rcodesign):
    notary = notarize.Notary(rcodesign, "key.json")
    assert notary.notarize(ARTEFACT, staple=ARTEFACT) == "notarized and stapled: MLXR-1.0.0.dmg"
    assert asked(rcodesign) == ["notary-submit --api-key-file key.json --wait MLXR-1.0.0.dmg", "staple MLXR-1.0.0.dmg"]
    assert notary.suffix == ""


def test_bare_programs_are_submitted_and_not_stapled(rcodesign):
    assert notarize.Notary(rcodesign, "key.json").notarize(pathlib.Path("mlxrunnerd.zip")) == "notarized: mlxrunnerd.zip"
    assert asked(rcodesign) == ["notary-submit --api-key-file key.json --wait mlxrunnerd.zip"]


def test_without_a_key_it_is_said_and_stands_in_the_names(rcodesign):
    notary = notarize.Notary(rcodesign, None)
    assert notary.notarize(ARTEFACT, staple=ARTEFACT) == "skipped: MLXR-1.0.0.dmg was not notarized, for want of a key"
    assert asked(rcodesign) == [] and notary.suffix == "-unnotarized"


def test_what_the_service_refuses_is_not_stapled(rcodesign, capsys):
    damaged = pathlib.Path("damaged.dmg")
    with pytest.raises(subprocess.CalledProcessError):
        notarize.Notary(rcodesign, "key.json").notarize(damaged, staple=damaged)
    assert "Invalid" in capsys.readouterr().out and len(asked(rcodesign)) == 1
