"""A small program built with ninja, as CMake would: from app.c, a header-only library, a static one, and shared ones."""
import subprocess

NINJA = """
rule cc
  command = cc -MD -MF $out.d -Iinclude -c $in -o $out
  depfile = $out.d
  deps = gcc
rule ar
  command = ar qc $out $in
rule so
  command = cc -shared -Wl,-soname,$name $in -o $out
rule link
  command = cc $in -o $out -Wl,-Map=maps/app.map $libs
build foo.o: cc foo.c
build sdk/libfoo.a: ar foo.o
build unused.o: cc unused.c
build sdk/libunused.a: ar unused.o
build bar.o: cc bar.c
build sdk/libbar.so: so bar.o
  name = libbar.so.1
build CMakeFiles/app.dir/app.c.o: cc app.c
build bin/app: link CMakeFiles/app.dir/app.c.o | sdk/libfoo.a sdk/libunused.a sdk/libbar.so
  libs = sdk/libfoo.a sdk/libunused.a sdk/libbar.so
"""


def make(folder):
    """The build folder; what it links lies in folder/sdk, which is not part of it."""
    build, sdk = folder / "build", folder / "sdk"
    for path in (build / "maps", build / "bin", sdk, folder / "include" / "only"):
        path.mkdir(parents=True)
    (build / "sdk").symlink_to(sdk)
    (build / "include").symlink_to(folder / "include")
    (folder / "include" / "only" / "only.h").write_text("static inline int only(void) { return 1; }\n")
    (build / "app.c").write_text("#include <only/only.h>\n#include <stddef.h>\nint foo(void);\nint bar(void);\nint main(void) { return foo() + bar() + only(); }\n")
    for name in ("foo", "unused", "bar"):
        (build / f"{name}.c").write_text(f"int {name}(void) {{ return 0; }}\n")
    (build / "build.ninja").write_text(NINJA)
    subprocess.run(["ninja", "-C", build], check=True, capture_output=True)
    return build
