#!/usr/bin/env python3
"""Compares release/components.toml with the actual inputs of the linker and the compiler.

    linkage.py PLATFORM BUILD PROGRAM…          BUILD: build/release, say; PROGRAM: mlxrunnerd, libmlxrunner_core.dylib
    linkage.py PLATFORM BUILD --tree FOLDER     every program and library below FOLDER, a staged artefact

Static libraries come from the linker's map (BUILD/maps, written with MLXR_LINK_MAPS; only those that a member was taken of), headers from ninja's
log of dependencies, shared libraries from the programs themselves. Prints every difference; exits 1 if there is one.
"""
import argparse
import dataclasses
import fnmatch
import pathlib
import re
import subprocess
import sys

import lief

import components
import debian

BINARY_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe")


@dataclasses.dataclass(frozen=True)
class LinkMap:
    output: str                            # as the linker was told, relative to the build folder
    objects: frozenset[str]                # given by themselves
    members: frozenset[tuple[str, str]]    # (archive, object) taken from archives


@dataclasses.dataclass(frozen=True)
class Linked:
    """The inputs of one program, without our own objects and headers."""
    name: str
    archives: frozenset[pathlib.Path]
    headers: frozenset[pathlib.Path]


# --- reading ----------------------------------------------------------------------------------------------------------------------------------

def read_map(text):
    """A map of GNU ld or of Apple's linker (LLVM's writes the same)."""
    if path := re.search(r"^# Path: (.+)$", text, re.M):
        section = text.split("# Object files:\n", 1)[1].split("\n#", 1)[0]
        inputs = re.findall(r"^\[ *\d+\] (.+)$", section, re.M)
    elif path := re.search(r"^OUTPUT\((\S+) ", text, re.M):
        listed = text.split("\n\n", 2)  # a heading, the members, the rest; without archives there is no such list
        inputs = re.findall(r"^(\S.*\))$", listed[1], re.M) if listed[0].startswith("Archive member") else []
        inputs += re.findall(r"^LOAD (.+\.o)$", text, re.M)
    else:
        raise components.ComponentError("a linker's map of an unknown kind")
    taken = [re.fullmatch(r"(.+\.a)\((.+)\)", name) for name in inputs]
    return LinkMap(path.group(1), frozenset(n for n, m in zip(inputs, taken) if not m and n.endswith(".o")), frozenset(m.groups() for m in taken if m))


def ninja_deps(build):
    """Object → the files that the compiler read."""
    log = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True).stdout
    blocks = (block.splitlines() for block in log.split("\n\n") if block.strip())
    return {lines[0].split(": #deps")[0]: [line.strip() for line in lines[1:]] for lines in blocks if lines[0].endswith("(VALID)")}


def own_objects(link_map):
    """The objects of a map that CMake's targets made: those of libNAME.a lie in NAME.dir/."""
    members = {(pathlib.PurePath(archive).name, pathlib.PurePath(member).name) for archive, member in link_map.members}
    def is_in(path):
        target = re.search(r"CMakeFiles/([^/]+)\.dir/", path)
        return path in link_map.objects or bool(target) and (f"lib{target.group(1)}.a", pathlib.PurePath(path).name) in members
    return is_in


def read(build, names):
    """What each of these programs (by file name) was made of."""
    build = build.resolve()
    maps = {pathlib.PurePath(link_map.output).name: link_map for link_map in (read_map(p.read_text()) for p in sorted((build / "maps").glob("*.map")))}
    if missing := [name for name in names if name not in maps]:
        raise components.ComponentError(f"{', '.join(missing)}: no linker's map in {build}/maps; a preset with MLXR_LINK_MAPS builds with one")
    deps = ninja_deps(build)
    return [linked(name, maps[name], deps, build) for name in names]


def linked(name, link_map, deps, build, root=components.ROOT):
    is_in = own_objects(link_map)
    read = {(build / path).resolve() for target, paths in deps.items() if is_in(target) for path in paths}
    archives = {(build / archive).resolve() for archive, _ in link_map.members}
    return Linked(name, frozenset(a for a in archives if not is_own(a, build, root)), frozenset(h for h in read if not is_own(h, build, root)))


def is_own(path, build, root):
    return path.is_relative_to(build) or path.is_relative_to(root) and not path.is_relative_to(root / ".deps")


def shared_libraries(path):
    """The shared libraries that a program or library needs, as recorded in it."""
    binary = lief.parse(str(path))
    if isinstance(binary, lief.MachO.Binary):
        return [library.name for library in binary.libraries if library.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB]
    return list(binary.libraries)


def binaries(tree):
    return [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink() and is_binary(path)]


def is_binary(path):
    with path.open("rb") as file:
        return file.read(4) in BINARY_MAGIC


# --- judging ----------------------------------------------------------------------------------------------------------------------------------

def includes(part, header):
    """Whether a header belongs to a component."""
    return any(re.search(rf"/include/([^/]+-linux-gnu[^/]*/)?{re.escape(name)}{'' if name.endswith('/') else '$'}", str(header)) for name in part.headers)


def contents(linked_program, parts):
    """The components in a program: (linked in from archives, compiled in from headers alone)."""
    archives = {path.name for path in linked_program.archives}
    static = {part.name for part in parts if archives & set(part.archives)}
    compiled = {part.name for part in parts if not part.archives and not part.files and any(includes(part, header) for header in linked_program.headers)}
    return static, compiled


def check(programs, libraries, parts, system, owners, shipped=None):
    """Every difference, as a sentence.

    programs   Linked, of what was built here
    libraries  file name → the shared libraries that it asks for, of everything that is shipped
    owners     header → the installed package that it belongs to
    shipped    names of all files of the artefact; None: it is not known, and the files of components are not looked for
    """
    return [*unlisted_libraries(libraries, parts, system), *unlisted_archives(programs, parts, system), *unlisted_headers(programs, parts, system, owners),
            *unused(programs, parts, shipped)]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def unlisted_libraries(libraries, parts, system):
    for binary, asked in libraries.items():
        for library in asked:
            name = pathlib.PurePath(library).name
            inside = name in libraries or any(matches(name, part.files) for part in parts)
            if not (matches(library, system.libraries) or inside and library in (name, f"@rpath/{name}")):
                yield f"{binary}: {library} is neither listed as a component nor as a library of the system"


def unlisted_archives(programs, parts, system):
    listed = {archive for part in parts for archive in part.archives} | set(system.archives)
    for program in programs:
        for archive in sorted(program.archives):
            if archive.name not in listed:
                yield f"{program.name}: {archive.name} is linked in, but not listed"


def unlisted_headers(programs, parts, system, owners):
    for header in sorted({header for program in programs for header in program.headers}):
        if any(includes(part, header) for part in parts) or matches(str(header), system.folders) or matches(owners.get(header, ""), system.packages):
            continue
        yield f"{header} ({owners.get(header, 'of no package')}) is compiled in, but neither listed as a component nor as part of the system"


def unused(programs, parts, shipped):
    archives = {archive.name for program in programs for archive in program.archives}
    headers = {header for program in programs for header in program.headers}
    for part in parts:
        for archive in part.archives:
            if archive not in archives:
                yield f"{part.name}: listed, but no program has {archive} linked in"
        if part.headers and not any(includes(part, header) for header in headers):
            yield f"{part.name}: listed, but no program includes {' or '.join(part.headers)}"
        for pattern in part.files if shipped is not None else ():
            if not any(fnmatch.fnmatchcase(name, pattern) for name in shipped):
                yield f"{part.name}: listed, but there is no file {pattern} in what is shipped"


def package_owners(headers, packages):
    """Header → package, of the system's own and of those below another root (`packages`: as components.Places has them)."""
    below = {f"/{header.relative_to(packages.root)}": header for header in headers if header.is_relative_to(packages.root)}
    others = {str(header): header for header in headers if header not in below.values()}
    owners = {below[path]: package for path, package in packages.owners(below).items() if path in below}
    return owners | {others[path]: package for path, package in debian.Installed().owners(others).items() if path in others}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("platform", choices=components.PLATFORMS)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("program", nargs="*")
    parser.add_argument("--tree", type=pathlib.Path)
    arguments = parser.parse_args()
    if bool(arguments.program) == bool(arguments.tree):
        parser.error("either programs or --tree")
    print_differences(arguments.platform, arguments.build, arguments.program, arguments.tree)


def print_differences(platform, build, names, tree):
    places = components.Places.of(platform)
    parts = components.resolve(platform, places)
    _, system = components.declared(platform)
    if tree:
        found = {path.name: path for path in binaries(tree)}
        names = [name for name in found if not any(matches(name, part.files) for part in parts)]
        shipped = {path.name for path in tree.rglob("*")}
    else:
        found = {path.name: path for path in binaries(build) if path.name in names}
        shipped = None
    programs = read(build, names)
    owners = package_owners({header for program in programs for header in program.headers}, places.debian)
    differences = check(programs, {name: shared_libraries(path) for name, path in found.items()}, parts, system, owners, shipped)
    for difference in differences:
        print(difference)
    print(f"linkage: {', '.join(sorted(found))} against {len(parts)} components of {platform}: {len(differences) or 'no'} differences")
    if differences:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except components.ComponentError as error:
        sys.exit(f"linkage: {error}")
