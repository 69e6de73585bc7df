"""Both SBOMs of a small artefact: valid for the formats' own tools, deterministic, and correct."""
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("spdx_tools", reason="not installed: run scripts/setup release")
pytest.importorskip("cyclonedx", reason="not installed: run scripts/setup release")

import build_tree  # noqa: E402
import components  # noqa: E402
import inventory  # noqa: E402
import linkage  # noqa: E402
import sbom  # noqa: E402
import sbom_cyclonedx  # noqa: E402
import sbom_spdx  # noqa: E402
from cyclonedx.schema import SchemaVersion  # noqa: E402
from cyclonedx.validation.json import JsonStrictValidator  # noqa: E402

WHEN = datetime.datetime.fromtimestamp(1_800_000_000, datetime.UTC)
SUMS = (components.Fetched("foo_1.2.dsc", "ab" * 32), components.Fetched("foo_1.2.orig.tar.gz", "cd" * 32))
PARTS = [
    components.Component("foo", "1.2-3", "pkg:deb/debian/foo@1.2-3?arch=source", "BSD-3-Clause AND BSD-2-Clause", (), SUMS, archives=("libfoo.a",)),
    components.Component("only", "7", "pkg:deb/debian/only-dev@7", "BSL-1.0", (), SUMS[:1], headers=("only/",)),
    components.Component("bar", "3", "pkg:pypi/bar@3", "GPL-3.0-or-later WITH GCC-exception-3.1", (), (), files=("libbar.so.1",), supplier="Bar Ltd",
                         unlisted="qux"),
    components.Component("absent", "1", "pkg:generic/absent@1", "MIT", (), (), archives=("libunused.a",)),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """What would be staged: a program, the shared library that it loads, and a text."""
    if platform.system() != "Linux":
        pytest.skip("the small program is linked with GNU ld, which this system does not have")
    folder = tmp_path_factory.mktemp("artefact")
    build = build_tree.make(folder)
    for name, source in {"bin/app": build / "bin/app", "lib/libbar.so.1": build / "sdk/libbar.so"}.items():
        (folder / "tree" / name).parent.mkdir(parents=True)
        shutil.copy(source, folder / "tree" / name)
    (folder / "tree" / "share").mkdir()
    (folder / "tree" / "share" / "a b+c.txt").write_text("text\n")
    (folder / "tree" / "lib" / "libbar.so").symlink_to("libbar.so.1")
    return folder / "tree"


@pytest.fixture(scope="module")
def taken(tree):
    return inventory.take("mlxrunner-1.0.tar.zst", "1.0", tree, linkage.read(tree.parent / "build", ["app"]), PARTS)


def test_what_is_in_each_file(taken):
    app, library, text = taken.files
    assert (app.path, app.static, app.compiled, app.shared, app.system) == ("bin/app", ("foo",), ("only",), ("lib/libbar.so.1",), ("libc.so.6",))
    assert (library.path, library.taken_from) == ("lib/libbar.so.1", "bar")
    assert (text.path, text.binary) == ("share/a b+c.txt", False)
    assert [part.name for part in taken.components] == ["foo", "only", "bar"]


def test_hashes_are_those_of_sha1sum_and_sha256sum(taken, tree):
    for file in taken.files:
        for tool, digest in (("sha1sum", file.sha1), ("sha256sum", file.sha256)):
            assert subprocess.run([tool, tree / file.path], capture_output=True, text=True).stdout.split()[0] == digest


def test_spdx_is_read_by_its_own_tool(taken, tmp_path):
    path = tmp_path / "a.spdx.json"
    path.write_text(sbom_spdx.write(taken, WHEN))
    said = subprocess.run([sys.executable, "-m", "spdx_tools.spdx.clitools.pyspdxtools", "-i", path], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    path.write_text(path.read_text().replace("STATIC_LINK", "STATIC_LINKED"))
    assert subprocess.run([sys.executable, "-m", "spdx_tools.spdx.clitools.pyspdxtools", "-i", path], capture_output=True).returncode != 0


def test_spdx_says_how_things_belong_together(taken):
    document = json.loads(sbom_spdx.write(taken, WHEN))
    names = {item["SPDXID"]: item.get("name", item.get("fileName")) for item in [*document["packages"], *document["files"]]}
    said = {(names[r["spdxElementId"]], r["relationshipType"], names[r["relatedSpdxElement"]]) for r in document["relationships"]
            if r["spdxElementId"] in names}
    assert {("./bin/app", "STATIC_LINK", "foo"), ("./bin/app", "GENERATED_FROM", "only"), ("./bin/app", "DYNAMIC_LINK", "./lib/libbar.so.1"),
            ("./bin/app", "DYNAMIC_LINK", "libc.so.6"), ("./lib/libbar.so.1", "GENERATED_FROM", "bar"), ("MLXR", "CONTAINS", "foo")} <= said
    assert not any("absent" in words for words in said)
    foo = next(package for package in document["packages"] if package["name"] == "foo")
    assert (foo["versionInfo"], foo["licenseDeclared"], foo["checksums"][0]["checksumValue"]) == ("1.2-3", "BSD-3-Clause AND BSD-2-Clause", "ab" * 32)


def test_each_package_has_a_supplier_and_what_is_incomplete_says_so(taken):
    """The supplier is one of NTIA's minimum elements. Libraries of the system are not supplied."""
    spdx, cyclonedx = json.loads(sbom_spdx.write(taken, WHEN)), json.loads(sbom_cyclonedx.write(taken, WHEN))
    said = {package["name"]: package.get("supplier") for package in spdx["packages"]}
    assert said == {"MLXR": "Organization: The MLXR authors", "foo": "Organization: Debian", "only": "Organization: Debian", "bar": "Organization: Bar Ltd",
                    "libc.so.6": None}
    assert {one["name"]: one["supplier"]["name"] for one in cyclonedx["components"] if one["bom-ref"].startswith("component:")} == {
        "foo": "Debian", "only": "Debian", "bar": "Bar Ltd"}  # fmt: skip
    assert cyclonedx["metadata"]["supplier"]["name"] == "The MLXR authors" and cyclonedx["metadata"]["tools"]["components"]
    assert next(package["comment"] for package in spdx["packages"] if package["name"] == "bar") == "Incomplete. Also inside: qux."
    assert {"name": "mlxr:unlisted", "value": "qux"} in next(one["properties"] for one in cyclonedx["components"] if one["name"] == "bar")


def test_cyclonedx_says_the_same(taken):
    document = json.loads(sbom_cyclonedx.write(taken, WHEN))
    assert (document["specVersion"], document["metadata"]["timestamp"]) == ("1.6", WHEN.isoformat())
    needs = {dependency["ref"]: set(dependency.get("dependsOn", ())) for dependency in document["dependencies"]}
    assert needs["file:bin/app"] == {"component:foo", "component:only", "file:lib/libbar.so.1", "system:libc.so.6"}
    assert needs["file:lib/libbar.so.1"] >= {"component:bar"}
    foo = next(component for component in document["components"] if component["bom-ref"] == "component:foo")
    assert (foo["purl"], foo["hashes"]) == (PARTS[0].purl, [{"alg": "SHA-256", "content": "ab" * 32}])


def test_cyclonedx_is_valid_for_its_own_validator_which_refuses_a_broken_one(taken):
    text = sbom_cyclonedx.write(taken, WHEN)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"librarian"')) is not None


def test_the_same_content_gives_the_same_bytes(taken, tree):
    """In other processes, whose sets and dictionaries are in another order."""
    script = ("import sys, pathlib; sys.path[:0] = sys.argv[2:]; import test_sbom as t, inventory, linkage, sbom_spdx, sbom_cyclonedx\n"
              "tree = pathlib.Path(sys.argv[1])\n"
              "taken = inventory.take('mlxrunner-1.0.tar.zst', '1.0', tree, linkage.read(tree.parent / 'build', ['app']), t.PARTS)\n"
              "print(sbom_spdx.write(taken, t.WHEN) + sbom_cyclonedx.write(taken, t.WHEN), end='')")
    here = os.path.dirname(__file__)
    for seed in ("1", "2"):
        made = subprocess.run([sys.executable, "-c", script, tree, here, str(components.ROOT / "release")], capture_output=True, text=True,
                              env=os.environ | {"PYTHONHASHSEED": seed})
        assert made.stdout == sbom_spdx.write(taken, WHEN) + sbom_cyclonedx.write(taken, WHEN), made.stderr


def test_other_content_has_another_number(taken, tree, tmp_path):
    shutil.copytree(tree, tmp_path / "tree", symlinks=True)
    (tmp_path / "tree" / "share" / "a b+c.txt").write_text("texts\n")
    changed = inventory.take("mlxrunner-1.0.tar.zst", "1.0", tmp_path / "tree", linkage.read(tree.parent / "build", ["app"]), PARTS)
    assert changed.id() != taken.id()


def test_nothing_is_written_when_one_of_the_two_is_refused(taken, tmp_path, monkeypatch):
    def refuse(*_):
        raise ValueError("CycloneDX: refused")
    monkeypatch.setattr(sbom_cyclonedx, "write", refuse)
    with pytest.raises(ValueError, match="refused"):
        sbom.write(taken, WHEN, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [None, "", "today"])
def test_the_time_is_asked_for(monkeypatch, value):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if value is not None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(components.ComponentError, match="SOURCE_DATE_EPOCH"):
        sbom.source_date()
