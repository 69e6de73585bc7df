"""The programs of `make cross-macos` have the format that macOS 14 on Apple Silicon loads, according to LLVM's tools."""
import pathlib
import plistlib
import re
import shutil
import subprocess

import manifest
import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = ROOT / "build" / "macos-arm64"
SDK = ROOT / ".deps" / "macos-arm64" / "sdk"
STUBS = [*SDK.glob("usr/lib/*.tbd"), *SDK.glob("System/Library/Frameworks/*/*.tbd")]
MLX = ROOT / ".deps" / "macos-arm64" / "mlx" / "lib"
FILES = ["bin/mlx", "bin/mlxrunnerd", "lib/kernels/cpu/libmlxr_kernels_cpu.so", "bin/MLXR"]
PROGRAMS = FILES[:2]
WINDOW = FILES[3]

pytestmark = [
    pytest.mark.skipif(not all((BUILD / name).exists() for name in FILES), reason="not built: run `make cross-macos`"),
    pytest.mark.skipif(not shutil.which("llvm-otool-19"), reason="llvm-19 is not installed: run `scripts/setup cross-macos`"),
]


def llvm(tool, *arguments):
    return subprocess.run([f"llvm-{tool}-19", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def load_commands(name):
    return llvm("otool", "-l", BUILD / name).split("\n", 1)[1]  # the first line is the name of the file


def libraries(name):
    return re.findall(r"cmd LC_LOAD_(?:WEAK_)?DYLIB\n.*\n\s+name (\S+)", load_commands(name))


def undefined(name):
    """Symbols that the loader must find, each with the library it is bound to."""
    return re.findall(r"\(undefined\).* external (\S+) \(from (\S+)\)", llvm("nm", "-m", "-u", BUILD / name))


def stub_symbols(stub):
    text = stub.read_text()
    classes = re.findall(r"\w+", " ".join(re.findall(r"objc-classes: \[(.*?)\]", text, re.S)))
    return {*re.findall(r"[\w.$]+", text), *(f"_OBJC_{kind}_$_{name}" for name in classes for kind in ("CLASS", "METACLASS"))}


@pytest.mark.parametrize("name", FILES)
def test_is_arm64_alone(name):
    assert llvm("lipo", "-archs", BUILD / name).split() == ["arm64"]


@pytest.mark.parametrize("name", FILES)
def test_asks_for_macos_14(name):
    fields = re.search(r"cmd LC_BUILD_VERSION\n((?:.*\n){5})", load_commands(name)).group(1)
    assert dict(line.split() for line in fields.splitlines()).items() >= {"platform": "1", "minos": "14.0"}.items()


@pytest.mark.parametrize("name", FILES)
def test_is_signed_so_that_arm64_macs_may_run_it(name):
    assert "cmd LC_CODE_SIGNATURE" in load_commands(name)


@pytest.mark.parametrize("name", FILES)
def test_loads_only_what_a_mac_or_the_package_has(name):
    loaded = libraries(name)
    assert loaded and all(path.startswith(("/usr/lib/", "/System/Library/", "@rpath/")) for path in loaded), loaded


@pytest.mark.parametrize("name", FILES)
def test_one_cpp_runtime_the_systems(name):
    assert "/usr/lib/libc++.1.dylib" in libraries(name)
    defined = llvm("nm", "-U", BUILD / name)
    assert "__ZNSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE6appendEPKcm" not in defined


@pytest.mark.parametrize("name, code", [("bin/mlx", "cli"), ("bin/mlxrunnerd", "daemon")])
def test_carries_its_info_plist(name, code, tmp_path):
    llvm("objcopy", f"--dump-section=__TEXT,__info_plist={tmp_path}/plist", BUILD / name, tmp_path / "unused")
    info = plistlib.loads((tmp_path / "plist").read_bytes())
    release = manifest.load()
    (identifier,) = {entry.code.identifier for entry in release.trees["daemon"] if entry.code and entry.code.name == code}
    assert info["CFBundleIdentifier"] == identifier
    assert info["CFBundleShortVersionString"] == release.channel.version
    assert info["CFBundleName"] == pathlib.Path(name).name
    assert info["LSMinimumSystemVersion"] == release.product["minimum_macos"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_finds_mlx_beside_itself(name):
    commands = load_commands(name)
    assert "@rpath/libmlx.dylib" in libraries(name)
    assert "path @executable_path/../Frameworks" in commands and "path @executable_path/../lib" in commands
    assert str(ROOT) not in commands


@pytest.mark.parametrize("name", FILES)
def test_every_symbol_comes_from_a_known_library(name):
    symbols = undefined(name)
    assert symbols
    known = {stub.stem: stub_symbols(stub) for stub in STUBS}
    known["libmlx"] = set(re.findall(r"\S+$", llvm("nm", "-g", "-U", "-j", MLX / "libmlx.dylib"), re.M))
    stray = [(symbol, library) for symbol, library in symbols if symbol not in known.get(library, ())]
    assert not stray


def test_the_kernel_pack_exports_its_one_function_and_has_dot_products():
    pack = BUILD / FILES[2]
    assert "_mlxr_kernel_pack_open" in llvm("nm", "-g", "-U", "-j", pack).split()
    assert re.search(r"\bsdot\b", llvm("objdump", "-d", "--no-show-raw-insn", "--mattr=+dotprod", pack))


def test_the_window_loads_the_frameworks_of_the_system():
    loaded = libraries(WINDOW)
    for name, version in (("AppKit", "C"), ("CoreFoundation", "A"), ("Foundation", "C"), ("ServiceManagement", "A"), ("WebKit", "A")):
        assert f"/System/Library/Frameworks/{name}.framework/Versions/{version}/{name}" in loaded
    assert "/usr/lib/libobjc.A.dylib" in loaded
    assert not any("libmlx" in path for path in loaded)  # the daemon has the engine


def test_the_window_knows_the_methods_that_appkit_and_webkit_call():
    """The selectors by which they find our delegate: a name that is spelled wrongly would never be called."""
    methods = set(re.findall(r"-\[MLXRApplication (\S+)\]", llvm("nm", "-U", BUILD / WINDOW)))
    assert methods >= {
        "applicationDidFinishLaunching:",
        "applicationShouldTerminateAfterLastWindowClosed:",
        "applicationWillTerminate:",
        "userContentController:didReceiveScriptMessage:replyHandler:",
        "webView:decidePolicyForNavigationAction:decisionHandler:",
        "webView:startURLSchemeTask:",
        "webView:stopURLSchemeTask:",
    }


def test_the_page_lies_where_the_window_looks_for_it():
    assert (BUILD / "share" / "mlxrunner" / "ui" / "index.html").exists()
