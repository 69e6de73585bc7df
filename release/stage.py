"""Lays out a tree of the manifest from a build, signs its code and writes the files that depend on the signed bytes."""

import dataclasses
import shutil
import subprocess

import manifest
from macos import made


class StageError(Exception):
    pass


def tree(release, name, to):
    """Creates the folder `to`. Errors: StageError, which names the file that is missing."""
    shutil.rmtree(to, ignore_errors=True)
    entries = release.manifest.trees[name]
    copied = [entry for entry in entries if entry.kind != "made"]
    for entry in copied:
        _copy(release, entry, to / entry.to)
    for path, code in release.manifest.code_of(name).items():
        if code.name != "app":  # the bundle's own program is signed with the bundle
            release.signer.sign_code(to / path, entitled(release, code))
    for entry in entries:
        if entry.kind == "made":
            made.make(entry.source, release, to, to / entry.to)
            if not entry.to.endswith("/"):
                (to / entry.to).chmod(entry.mode)
    for folder in [to, *(path for path in to.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def entitled(release, code):
    """The code with its entitlements as this release's team has them."""
    if not code.entitlements:
        return code
    filled = release.work / "entitlements" / code.entitlements.name
    fill(release, code.entitlements, filled)
    return dataclasses.replace(code, entitlements=filled)


def fill(release, template, to):
    """Writes a template with this release's names."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(manifest.fill(template.read_text(), release.names))


def _source(release, entry):
    folder = {"build": release.build_folder, "mlx": release.mlx_folder}.get(entry.kind, release.root)
    source = folder / entry.source
    if release.metallib and (entry.kind, entry.source) == ("build", "lib/kernels/metal/"):
        source = release.metallib
    if not source.exists():
        raise StageError(f"{entry.to} is made from {source}, which is not there. Was it built?")
    return source


def _copy(release, entry, to):
    source = _source(release, entry)
    if entry.to.endswith("/"):
        files = [(path, to / path.relative_to(source)) for path in sorted(source.rglob("*")) if path.is_file()]
    else:
        files = [(source, to)]
    for path, copy in files:
        if entry.kind == "template":
            fill(release, path, copy)
            copy.chmod(entry.mode)
        else:
            _copy_file(path, copy, entry.mode)
    if entry.kind == "build" and entry.code:
        # The build folder keeps what debuggers want (release.py makes .dSYM folders of it); what is shipped names no file of this machine.
        subprocess.run([release.tools.strip, "-S", to], check=True)


def _copy_file(source, to, mode):
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)
    to.chmod(mode)
