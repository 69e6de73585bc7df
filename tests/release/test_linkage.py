"""Every listed component is linked, and every linked one is listed."""
import pathlib
import platform

import pytest

pytest.importorskip("lief", reason="not installed: run scripts/setup release")

import build_tree  # noqa: E402
import components  # noqa: E402
import linkage  # noqa: E402

SYSTEM = components.System(("libc.so.6", "libbar.so.1"), ("libc_nonshared.a", "libgcc.a"), ("/usr/*",), ())

GNU_MAP = """Archive member included to satisfy reference by file (symbol)

../sdk/libfoo.a(foo.o)
                              CMakeFiles/app.dir/app.c.o (foo)
store/libstore.a(pull.cpp.o)
                              ../sdk/libfoo.a(foo.o) (pull)

Discarded input sections

LOAD CMakeFiles/app.dir/app.c.o
LOAD ../sdk/libfoo.a
LOAD ../sdk/libunused.a
OUTPUT(bin/app elf64-x86-64)
"""

APPLE_MAP = """# Path: bin/app
# Arch: arm64
# Object files:
[  0] linker synthesized
[  1] CMakeFiles/app.dir/app.c.o
[  2] ../sdk/libfoo.a(foo.o)
[  3] store/libstore.a(pull.cpp.o)
[  4] /sdk/usr/lib/libSystem.tbd
# Sections:
# Address\tSize\tSegment\tSection
"""


@pytest.mark.parametrize("text", [GNU_MAP, APPLE_MAP])
def test_both_kinds_of_map(text):
    link_map = linkage.read_map(text)
    assert link_map.output == "bin/app"
    assert link_map.objects == {"CMakeFiles/app.dir/app.c.o"}
    assert link_map.members == {("../sdk/libfoo.a", "foo.o"), ("store/libstore.a", "pull.cpp.o")}


def test_an_unknown_kind_of_map_is_refused():
    with pytest.raises(components.ComponentError, match="unknown kind"):
        linkage.read_map("VMA LMA Size Align Out In Symbol")


def test_an_object_is_in_the_program_if_the_linker_took_it():
    is_in = linkage.own_objects(linkage.read_map(GNU_MAP))
    assert is_in("CMakeFiles/app.dir/app.c.o") and is_in("store/CMakeFiles/store.dir/pull.cpp.o")
    assert not is_in("store/CMakeFiles/store.dir/other.cpp.o") and not is_in("other/CMakeFiles/other.dir/pull.cpp.o")


def part(name, **ways):
    return components.Component(name, "1", f"pkg:generic/{name}@1", "MIT", (), (), **{way: tuple(value) for way, value in ways.items()})


FOO = part("foo", archives=["libfoo.a"])
ONLY = part("only", headers=["only/"])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if platform.system() != "Linux":
        pytest.skip("the small program is linked with GNU ld, which this system does not have")
    build = build_tree.make(tmp_path_factory.mktemp("linked"))
    return linkage.read(build, ["app"]), {"app": linkage.shared_libraries(build / "bin" / "app")}


def differences(built, parts, system=SYSTEM, shipped=None):
    programs, libraries = built
    return linkage.check(programs, libraries, parts, system, {}, shipped)


def test_a_table_that_fits(built):
    assert differences(built, [FOO, ONLY]) == []


def test_an_unlisted_shared_library(built):
    system = components.System(("libc.so.6",), SYSTEM.archives, SYSTEM.folders, ())
    assert differences(built, [FOO, ONLY], system) == ["app: libbar.so.1 is neither listed as a component nor as a library of the system"]


def test_an_unlisted_static_library(built):
    assert differences(built, [ONLY]) == ["app: libfoo.a is linked in, but not listed"]


def test_an_unlisted_header(built):
    (found,) = differences(built, [FOO])
    assert found.endswith("only.h (of no package) is compiled in, but neither listed as a component nor as part of the system")


def test_a_listed_static_library_that_nobody_links(built):
    unused = part("unused", archives=["libunused.a"])  # it is on the link line, but nothing is taken of it
    assert differences(built, [FOO, ONLY, unused]) == ["unused: listed, but no program has libunused.a linked in"]


def test_a_listed_header_that_nobody_includes(built):
    assert differences(built, [FOO, ONLY, part("other", headers=["other/", "other.h"])]) == ["other: listed, but no program includes other/ or other.h"]


def test_a_listed_file_that_is_not_shipped(built):
    parts = [FOO, ONLY, part("mlx", files=["libmlx.so"])]
    assert differences(built, parts, shipped={"libmlx.so"}) == []
    assert differences(built, parts, shipped={"app"}) == ["mlx: listed, but there is no file libmlx.so in what is shipped"]


def test_a_program_without_a_map_is_refused(built, tmp_path):
    with pytest.raises(components.ComponentError, match="^other: no linker's map in"):
        linkage.read(build_tree.make(tmp_path), ["other"])


def test_a_file_of_a_component_is_found_beside_the_program_alone():
    mlx = part("mlx", files=["libmlx.dylib"])
    asked = {"app": ["@rpath/libmlx.dylib"]}
    assert list(linkage.unlisted_libraries(asked, [mlx], SYSTEM)) == []
    assert list(linkage.unlisted_libraries({"app": ["/opt/somewhere/libmlx.dylib"]}, [mlx], SYSTEM))


def test_a_header_belongs_to_the_folder_that_it_is_included_from():
    sodium = part("sodium", headers=["sodium.h", "sodium/"])
    for path in ("/usr/include/sodium.h", "/usr/include/x86_64-linux-gnu/sodium/core.h", "/x/sdk/usr/local/include/sodium/core.h"):
        assert linkage.includes(sodium, pathlib.Path(path)), path
    for path in ("/usr/include/libsodium.h", "/usr/include/sodium.hpp", "/usr/include/other/sodium/core.h"):
        assert not linkage.includes(sodium, pathlib.Path(path)), path
