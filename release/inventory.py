"""The content of an artefact: every file of its staged tree, and the components in each. The SBOMs are two formats of this inventory."""
import dataclasses
import hashlib
import pathlib
import uuid

import linkage


@dataclasses.dataclass(frozen=True)
class File:
    path: str                     # below the tree, with /
    sha1: str
    sha256: str
    binary: bool = False
    taken_from: str = ""          # the component whose file it is
    static: tuple[str, ...] = ()  # components linked in
    compiled: tuple[str, ...] = ()   # components compiled in, from headers alone
    shared: tuple[str, ...] = ()  # paths of other files here, which it asks the loader for
    system: tuple[str, ...] = ()  # libraries of the system that it asks for


@dataclasses.dataclass(frozen=True)
class Inventory:
    artefact: str                 # MLXR-0.1.0.dmg
    version: str
    files: tuple[File, ...]
    components: tuple             # of components.Component: only those in the files
    system: tuple[str, ...]

    def id(self):
        """The same for the same content."""
        words = [self.artefact, self.version, *(f"{file.path} {file.sha256}" for file in self.files), *(part.purl for part in self.components)]
        return uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(words))


def take(artefact, version, tree, programs, parts):
    """Links are left out: their targets are in the tree, or are not shipped. `programs` are linkage.Linked, of what was built here."""
    by_name = {program.name: program for program in programs}
    paths = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    names = {path.name: path.relative_to(tree).as_posix() for path in paths}
    files = tuple(describe(path, tree, by_name, names, parts) for path in paths)
    used = {name for file in files for name in (file.taken_from, *file.static, *file.compiled)}
    system = sorted({library for file in files for library in file.system})
    return Inventory(artefact, version, files, tuple(part for part in parts if part.name in used), tuple(system))


def describe(path, tree, programs, names, parts):
    content = path.read_bytes()
    file = File(path.relative_to(tree).as_posix(), hashlib.sha1(content, usedforsecurity=False).hexdigest(), hashlib.sha256(content).hexdigest(),
                taken_from=next((part.name for part in parts if linkage.matches(path.name, part.files)), ""))
    if not linkage.is_binary(path):
        return file
    static, compiled = linkage.contents(programs[path.name], parts) if path.name in programs else (set(), set())
    asked = {library: names.get(pathlib.PurePath(library).name) for library in linkage.shared_libraries(path)}
    return dataclasses.replace(file, binary=True, static=tuple(sorted(static)), compiled=tuple(sorted(compiled)),
                               shared=tuple(sorted(here for here in asked.values() if here)),
                               system=tuple(sorted(library for library, here in asked.items() if not here)))
