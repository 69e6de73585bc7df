"""The license texts of all components are collected, or none."""
import dataclasses

import pytest

pytest.importorskip("packageurl", reason="not installed: run scripts/setup release")

import components  # noqa: E402
import licences  # noqa: E402

FOO = components.Component("foo", "1.2", "pkg:deb/debian/foo@1.2", "ISC", (("doc/COPYING", b"As is."),), ())


def test_texts_and_an_index(tmp_path):
    licences.collect([FOO], tmp_path / "licences")
    assert (tmp_path / "licences/foo/COPYING").read_text() == "As is."
    assert (tmp_path / "licences/LICENSE").read_bytes() == (components.ROOT / "LICENSE").read_bytes()
    assert "foo" in (tmp_path / "licences/index.txt").read_text().splitlines()[-1]


@pytest.mark.parametrize("texts", [(), (("COPYING", b" \n"),)])
def test_a_missing_text_is_named_and_nothing_written(tmp_path, texts):
    bar = dataclasses.replace(FOO, name="bar", texts=texts)
    with pytest.raises(components.ComponentError, match="^bar: no licence text"):
        licences.collect([FOO, bar], tmp_path / "licences")
    assert not (tmp_path / "licences").exists()
