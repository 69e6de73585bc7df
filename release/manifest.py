"""Reads and checks release/manifest.toml, the content of a release. The file explains its fields."""

import dataclasses
import os
import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]


class ManifestError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Code:
    """How a program or a library is signed."""

    name: str
    identifier: str
    entitlements: pathlib.Path | None  # none: a library, or a program that needs none


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of a tree, or a folder with all that is in it (`to` and `source` end in "/")."""

    to: str
    kind: str  # build, mlx, made, template or repo
    source: str
    mode: int
    code: Code | None


@dataclasses.dataclass(frozen=True)
class Component:
    """A part of the PKG that can be selected."""

    name: str
    title: str
    description: str
    location: str  # absolute
    tree: str
    folder: str  # of the tree below the location; "": the location itself
    scripts: pathlib.Path | None


@dataclasses.dataclass(frozen=True)
class Channel:
    name: str
    features: tuple[str, ...]
    version: str  # of its builds


@dataclasses.dataclass(frozen=True)
class Manifest:
    identity: dict[str, str]
    product: dict
    channel: Channel
    trees: dict[str, tuple[Entry, ...]]
    pkg_identifier: str
    components: tuple[Component, ...]

    def code_of(self, tree):
        """{path in the tree: Code}, innermost first: what contains code is signed after it."""
        found = {entry.to: entry.code for entry in self.trees[tree] if entry.code}
        return dict(sorted(found.items(), key=lambda item: (item[1].name == "app", item[0])))


# The longest path of a Unix socket on macOS, and the longest user name that the app group's socket must have room for.
LONGEST_SOCKET, LONGEST_USER = 103, 32


def group(identity, team):
    """The name of the app group, which app, daemon and command line share: a team's own, as macOS asks for (docs/macos.md)."""
    return f"{team}.{identity['app_id']}"


def fill(text, names):
    """The text with each @name@ replaced. Errors: ManifestError for an unknown name."""

    def value(found):
        if found[1] not in names:
            raise ManifestError(f"{found[0]} is no name of [identity] in release/manifest.toml")
        return names[found[1]]

    return re.sub(r"@([a-z_]+)@", value, text)


def _identity(fields):
    for name, pattern, meaning in (("team", r"([A-Z0-9]{10})?", "the ten characters of an Apple developer team"),
                                   ("release_key", r"([A-Za-z0-9+/]{43}=)?", "32 bytes in base64"),
                                   ("app_id", r"[A-Za-z0-9.-]+", "a bundle identifier"), ("daemon_id", r"[A-Za-z0-9.-]+", "a bundle identifier")):  # fmt: skip
        if not re.fullmatch(pattern, fields[name]):
            raise ManifestError(f"[identity] {name} is '{fields[name]}', which is not {meaning}")
    socket = f"/Users/{'u' * LONGEST_USER}/Library/Group Containers/{group(fields, 'T' * 10)}/mlxr.sock"
    if len(socket) > LONGEST_SOCKET:
        raise ManifestError(f"[identity] app_id is too long: the socket in its app group has {len(socket)} bytes for a user name of {LONGEST_USER}, "
                            f"and macOS allows {LONGEST_SOCKET}")  # fmt: skip
    return fields


def _path(text):
    if text.startswith("/") or ".." in text.split("/") or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ManifestError(f"'{text}' is not a path inside a tree: relative, ASCII, without '..' and spaces")
    return text


def _entry(to, fields, codes):
    unknown = fields.keys() - {"from", "mode", "code"}
    if unknown or "from" not in fields:
        raise ManifestError(f"'{to}' has {sorted(unknown) or 'no from'}; a file has from, and may have mode and code")
    kind, colon, source = fields["from"].partition(":")
    if not colon:
        kind, source = "repo", fields["from"]
    if kind not in ("build", "mlx", "made", "template", "repo"):
        raise ManifestError(f"'{to}' comes from '{kind}:', which is none of build:, mlx:, made:, template: and a path of the repo")
    if to.endswith("/") != source.endswith("/"):
        raise ManifestError(f"'{to}' and its source '{source}' must both be folders or both files")
    if "code" in fields and fields["code"] not in codes:
        raise ManifestError(f"'{to}' is signed as '{fields['code']}', which [code] does not have")
    code = codes[fields["code"]] if "code" in fields else None
    mode = int(fields.get("mode", "0755" if code else "0644"), 8)
    return Entry(_path(to), kind, _path(source), mode, code)


def _channel(channels):
    """The one that is built, of the manifest's."""
    name = os.environ.get("MLXR_CHANNEL") or "stable"
    if name not in channels:
        raise ManifestError(f"MLXR_CHANNEL is '{name}', which is none of {', '.join(channels)}")
    number = (ROOT / "VERSION").read_text().strip()
    return Channel(name, tuple(channels[name]["features"]), number + channels[name]["suffix"])


def load(path=ROOT / "release" / "manifest.toml"):
    """Errors: ManifestError, which names what is wrong."""
    text = pathlib.Path(path).read_text()
    identity = _identity(tomllib.loads(text)["identity"])
    data = tomllib.loads(fill(text, identity))
    codes = {
        name: Code(name, fields["identifier"], ROOT / fields["entitlements"] if "entitlements" in fields else None)
        for name, fields in data["code"].items()
    }
    trees = {name: tuple(_entry(to, fields, codes) for to, fields in files.items()) for name, files in data["trees"].items()}
    components = []
    for name, fields in data["pkg"]["components"].items():
        if fields["tree"] not in trees:
            raise ManifestError(f"the component '{name}' is of the tree '{fields['tree']}', which there is not")
        scripts = ROOT / fields["scripts"] if "scripts" in fields else None
        components.append(
            Component(name, fields["title"], fields["description"], fields["location"], fields["tree"], fields.get("folder", ""), scripts)
        )
    return Manifest(identity, data["product"], _channel(data["channels"]), trees, data["pkg"]["identifier"], tuple(components))
