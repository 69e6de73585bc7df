"""The installer package: a product archive of components that can be selected individually.

    each component: cpio (odc, gzip) by bsdcpio, bill of materials by mlxr-pack, PackageInfo → xar with Distribution by mlxr-pack → signed
"""

import dataclasses
import gzip
import pathlib
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import manifest


@dataclasses.dataclass(frozen=True)
class About:
    identifier: str
    version: str  # numbers and dots: all that the installer compares
    minimum_macos: str
    names: dict[str, str]  # of the scripts' @name@


SHARED = "daemons.sh"  # beside the folders of scripts


def element(parent, name, text=None, **attributes):
    made = ElementTree.Element(name, attributes) if parent is None else ElementTree.SubElement(parent, name, attributes)
    made.text = text
    return made


def document(root):
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="utf-8") + b"\n"


def write(components, to, about, pages, pack, work):
    """Writes the unsigned package `to`. components: [(Component, folder as it is installed at the component's location)]; pages: {licence, readme: file}."""
    flat = work / "flat"
    shutil.rmtree(flat, ignore_errors=True)
    flat.mkdir(parents=True)
    sizes = {}
    for component, payload in components:
        sizes[component.name] = _component(component, payload, flat / f"{component.name}.pkg", about, pack, work)
    (flat / "Resources").mkdir()
    for page in pages.values():
        shutil.copyfile(page, flat / "Resources" / page.name)
    (flat / "Distribution").write_bytes(distribution([c for c, _ in components], sizes, about, pages))
    subprocess.run([pack, "xar", flat, to], check=True)


def _component(component, payload, to, about, pack, work):
    """Returns the payload's size in KiB."""
    to.mkdir()
    files = [path for path in payload.rglob("*") if path.is_file()]
    kib = sum(-(-path.stat().st_size // 1024) for path in files)
    _cpio(payload, to / "Payload")
    subprocess.run([pack, "bom", payload, to / "Bom"], check=True)
    info = element(None, "pkg-info", **{
        "auth": "root", "format-version": "2", "identifier": f"{about.identifier}.{component.name}", "install-location": component.location,
        "overwrite-permissions": "true", "postinstall-action": "none", "relocatable": "false", "version": about.version,
    })  # fmt: skip
    element(info, "payload", numberOfFiles=str(len(files) + len([p for p in payload.rglob("*") if p.is_dir()]) + 1), installKBytes=str(kib))
    if component.scripts:
        scripts = element(info, "scripts")
        filled = fill_scripts(component, about.names, work / "scripts" / component.name)
        for name in ("preinstall", "postinstall"):
            if (filled / name).exists():
                element(scripts, name, file=f"./{name}")
        _cpio(filled, to / "Scripts")
    (to / "PackageInfo").write_bytes(document(info))
    return kib


def fill_scripts(component, names, to):
    """Makes the folder `to` of the component's scripts, and of what all components' scripts share."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for script in [*sorted(component.scripts.iterdir()), component.scripts.parent / SHARED]:
        (to / script.name).write_text(manifest.fill(script.read_text(), names))
        (to / script.name).chmod(0o644 if script.name == SHARED else 0o755)
    return to


def _cpio(folder, to):
    """A gzipped cpio archive (odc) of a folder, all of it root's, with the same bytes each time."""
    names = sorted(["."] + [f"./{path.relative_to(folder).as_posix()}" for path in pathlib.Path(folder).rglob("*")])
    done = subprocess.run(
        ["bsdtar", "--format", "odc", "--uid", "0", "--gid", "0", "--no-recursion", "--numeric-owner", "-cf", "-", "-C", folder, "--null", "-T", "-"],
        input="\0".join(names).encode(), stdout=subprocess.PIPE, check=True)  # fmt: skip
    with to.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write(done.stdout)


def distribution(components, sizes, about, pages):
    root = element(None, "installer-gui-script", minSpecVersion="2")
    element(root, "title", "MLXR")
    for kind, page in pages.items():
        element(root, kind, file=page.name, **{"mime-type": "text/plain"})
    element(root, "options", customize="allow", hostArchitectures="arm64", **{"require-scripts": "false"})
    element(root, "domains", enable_anywhere="false", enable_currentUserHome="false", enable_localSystem="true")
    versions = element(element(root, "volume-check"), "allowed-os-versions")
    element(versions, "os-version", min=about.minimum_macos)
    outline = element(root, "choices-outline")
    for component in components:
        element(outline, "line", choice=component.name)
    for component in components:
        choice = element(root, "choice", id=component.name, title=component.title, description=component.description, start_selected="true")
        element(choice, "pkg-ref", id=f"{about.identifier}.{component.name}")
    for component in components:
        reference = f"{about.identifier}.{component.name}"
        element(root, "pkg-ref", f"#{component.name}.pkg", id=reference, version=about.version, auth="root", installKBytes=str(sizes[component.name]))
        if component.folder:  # an app that runs: the installer asks to close it
            element(element(element(root, "pkg-ref", id=reference), "must-close"), "app", id=about.names["app_id"])
    element(root, "product", id=about.identifier, version=about.version)
    return document(root)
