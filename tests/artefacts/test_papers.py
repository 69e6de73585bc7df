"""The SBOMs, the provenance and the checksums of the release: each is valid for the format's own tool, and matches its artefact."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile

import checksums
import provenance
import pytest
from artefacts import FOLDER, ROOT, output, release_key, tool
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def described():
    """The artefacts that must have SBOMs: all but the papers themselves, the symbols, and the kernels, which are in the app."""
    return [path for path in sorted(FOLDER.glob("*")) if re.search(r"\.(dmg|pkg|zip|deb|tar\.zst)$", path.name) and "symbols" not in path.name]


@pytest.fixture(params=described(), ids=lambda path: path.name)
def artefact(request):
    return request.param


def test_there_are_artefacts():
    assert {path.suffix for path in described()} >= {".dmg", ".pkg", ".zip", ".deb", ".zst"}


def test_its_spdx_is_valid(artefact):
    done = subprocess.run([sys.executable, "-m", "spdx_tools.spdx.clitools.pyspdxtools", "-i", f"{artefact}.spdx.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_cyclonedx_is_valid(artefact):
    text = (FOLDER / f"{artefact.name}.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert json.loads(text)["metadata"]["supplier"]["name"]


def contents(path, folder):
    """{path: sha256} of the files of an artefact, by tools that are not ours."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {info.filename.partition("/")[2]: hashlib.sha256(archive.read(info)).hexdigest() for info in archive.infolist() if not info.is_dir()}
    if path.suffix == ".deb":
        subprocess.run([tool("dpkg-deb", "dpkg"), "-x", path, folder], check=True)
    elif path.suffix == ".zst":
        subprocess.run([tool("bsdtar", "libarchive-tools"), "-xf", path, "-C", folder], check=True)
    elif path.suffix == ".pkg":
        subprocess.run([tool("bsdtar", "libarchive-tools"), "-xf", path, "-C", folder], check=True)
        inside = {}
        for component in sorted(folder.glob("*.pkg")):
            for name in ("Payload", "Scripts"):
                if (component / name).exists():
                    to = folder / "out" / component.stem / name
                    to.mkdir(parents=True)
                    subprocess.run(["bsdtar", "-xf", component / name, "-C", to], check=True)
                    inside |= {f"{component.stem}/{name}/{file}": digest for file, digest in files_below(to).items()}
        return inside
    else:
        subprocess.run([tool("7zz", "7zip"), "x", "-y", f"-o{folder}", path], check=True, stdout=subprocess.DEVNULL)
    return files_below(folder)


def files_below(folder):
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*"))
            if file.is_file() and not file.is_symlink()}  # fmt: skip


def test_it_lists_every_file_with_its_hash(artefact, tmp_path):
    inside = set(contents(artefact, tmp_path).values())
    document = json.loads((FOLDER / f"{artefact.name}.spdx.json").read_text())
    listed = {sum["checksumValue"] for file in document["files"] for sum in file["checksums"] if sum["algorithm"] == "SHA256"}
    assert inside and inside - listed == set(), "files that the SBOM does not list"
    assert listed - inside == set(), "files that the artefact does not hold"


def test_the_provenance_speaks_of_every_artefact():
    key = release_key()
    content = provenance.verify(FOLDER, key)  # in-toto's own schema, DSSE by securesystemslib
    commit = output("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    sources = [one for one in content["predicate"]["buildDefinition"]["resolvedDependencies"] if one.get("digest", {}).get("gitCommit")]
    assert [one["digest"]["gitCommit"] for one in sources] == [commit]
    checksums.verify(FOLDER, key)


@pytest.mark.parametrize("pattern", ["*.dmg", "*.pkg", "*amd64.deb", "*.tar.zst", "*.spdx.json"])
def test_a_changed_byte_in_any_artefact_is_caught_by_sha256sum(pattern, tmp_path):
    path = sorted(FOLDER.glob(pattern))[0]
    line = next(line for line in (FOLDER / checksums.SUMS).read_text().splitlines() if line.endswith(f"  {path.name}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / path.name).write_bytes(data)
    (tmp_path / "sums").write_text(line + "\n")
    assert subprocess.run(["sha256sum", "--check", "sums"], cwd=tmp_path, capture_output=True).returncode != 0
    assert subprocess.run(["sha256sum", "--check", tmp_path / "sums"], cwd=FOLDER, capture_output=True).returncode == 0
