"""Reads code signatures as Apple's xnu and Security describe them (osfmk/kern/cs_blobs.h, CodeDirectory, CodeResources), and computes every hash
in them again: an implementation independent of rcodesign, which made them.

    problems(bundle)    a sentence for each difference from the signed state; none for an intact bundle
"""

import dataclasses
import hashlib
import plistlib
import re
import struct

MH_MAGIC_64, LC_SEGMENT_64, LC_CODE_SIGNATURE = 0xFEEDFACF, 0x19, 0x1D
SUPER_BLOB, CODE_DIRECTORY, CMS_SLOT = 0xFADE0CC0, 0xFADE0C02, 0x10000
TICKET = b"s8ch"  # how the ticket of Apple's notary service begins, which is stapled to a bundle as Contents/CodeResources
ALTERNATE_DIRECTORIES = range(0x1000, 0x1005)
HASHES = {1: "sha1", 2: "sha256"}
RUNTIME = 0x10000
# Special slots, by how far before the first page's hash they lie.
INFO_PLIST, REQUIREMENTS, RESOURCES, ENTITLEMENTS, DER_ENTITLEMENTS = 1, 2, 3, 5, 7


@dataclasses.dataclass
class Directory:
    """A CodeDirectory: the hashes of a program's pages, and of what belongs to it."""

    blob: bytes
    identifier: str
    team: str
    flags: int
    hash_name: str
    code_limit: int
    page_size: int
    special: dict[int, bytes]
    pages: list[bytes]

    def hash(self, data):
        return hashlib.new(self.hash_name, data).digest()

    @classmethod
    def parse(cls, blob):
        (magic, _, version, flags, hashes, identifier, n_special, n_code, limit, size, kind, _, page) = struct.unpack_from(">9I4B", blob)
        assert magic == CODE_DIRECTORY
        team = struct.unpack_from(">I", blob, 48)[0] if version >= 0x20200 else 0
        text = lambda at: blob[at : blob.index(0, at)].decode() if at else ""  # noqa: E731
        slot = lambda i: blob[hashes + i * size : hashes + (i + 1) * size]  # noqa: E731
        return cls(blob, text(identifier), text(team), flags, HASHES[kind], limit, 1 << page, {i: slot(-i) for i in range(1, n_special + 1)},
                   [slot(i) for i in range(n_code)])  # fmt: skip


@dataclasses.dataclass
class Signature:
    data: bytes  # the whole file
    blobs: dict[int, bytes]  # by slot

    @property
    def directories(self):
        return [Directory.parse(blob) for slot, blob in sorted(self.blobs.items()) if slot == 0 or slot in ALTERNATE_DIRECTORIES]

    @property
    def best(self):
        """The CodeDirectory that a Mac goes by: the one with the strongest hash."""
        return self.directories[-1]

    @property
    def cms(self):
        return self.blobs[CMS_SLOT][8:]

    @property
    def entitlements(self):
        return plistlib.loads(self.blobs[ENTITLEMENTS][8:]) if ENTITLEMENTS in self.blobs else {}


def is_macho(path):
    with open(path, "rb") as file:
        return file.read(4) == struct.pack("<I", MH_MAGIC_64)


def embedded_info_plist(data):
    """The Info.plist that a program outside of a bundle carries in itself (section __TEXT,__info_plist); None where it has none."""
    at, n_commands = 32, struct.unpack_from("<I", data, 16)[0]
    for _ in range(n_commands):
        command, size = struct.unpack_from("<II", data, at)
        if command == LC_SEGMENT_64:
            n_sections = struct.unpack_from("<I", data, at + 64)[0]
            for section in range(at + 72, at + 72 + 80 * n_sections, 80):
                name, segment, _, length, offset = struct.unpack_from("<16s16sQQI", data, section)
                if (segment.rstrip(b"\0"), name.rstrip(b"\0")) == (b"__TEXT", b"__info_plist"):
                    return data[offset : offset + length]
        at += size
    return None


def super_blob(data, start):
    """{slot: blob} of the signature that begins there; None where none does."""
    magic, _, count = struct.unpack_from(">3I", data, start)
    if magic != SUPER_BLOB:
        return None
    blobs = {}
    for i in range(count):
        slot, offset = struct.unpack_from(">II", data, start + 12 + 8 * i)
        length = struct.unpack_from(">I", data, start + offset + 4)[0]
        blobs[slot] = data[start + offset : start + offset + length]
    return blobs


def read(path):
    """The signature of a thin Mach-O file; None where there is none."""
    data = path.read_bytes()
    at, n_commands = 32, struct.unpack_from("<I", data, 16)[0]
    for _ in range(n_commands):
        command, size = struct.unpack_from("<II", data, at)
        if command == LC_CODE_SIGNATURE:
            start = struct.unpack_from("<I", data, at + 8)[0]
            blobs = super_blob(data, start)
            if blobs is None:
                return None
            return Signature(data, blobs)
        at += size
    return None


def program_problems(path, info_plist=None, resources=None):
    """What is wrong with a program by itself. A bundle's program also holds the hashes of its Info.plist and CodeResources."""
    try:
        signature = read(path)
        directories = signature.directories if signature else []
    except (struct.error, AssertionError, ValueError, KeyError) as error:
        return [f"{path.name}: the signature cannot be read ({error})"]
    if not directories:
        return [f"{path.name}: not signed"]
    found = []
    belongs = {INFO_PLIST: info_plist or embedded_info_plist(signature.data), RESOURCES: resources, REQUIREMENTS: signature.blobs.get(REQUIREMENTS),
               ENTITLEMENTS: signature.blobs.get(ENTITLEMENTS), DER_ENTITLEMENTS: signature.blobs.get(DER_ENTITLEMENTS)}  # fmt: skip
    for directory in directories:
        pages = [directory.hash(signature.data[at : min(at + directory.page_size, directory.code_limit)])
                 for at in range(0, directory.code_limit, directory.page_size)]  # fmt: skip
        if pages != directory.pages:
            found.append(f"{path.name}: the code is not what was signed")
        for slot, data in belongs.items():
            sealed = directory.special.get(slot, b"").strip(b"\0")
            if data is not None and directory.hash(data) != directory.special.get(slot) or data is None and sealed:
                found.append(f"{path.name}: what slot {slot} seals is not what was signed")
    return found


def _rules(resources):
    """(weight, pattern, omit, optional, nested) of each rule, version 2."""
    for pattern, value in resources["rules2"].items():
        fields = value if isinstance(value, dict) else {}
        yield fields.get("weight", 1.0), re.compile(pattern), fields.get("omit", False) or value is False, fields.get("optional"), fields.get("nested")


def bundle_problems(bundle):
    """What is wrong with a bundle: its program, every file against CodeResources, and code that is nested in it by itself."""
    contents = bundle / "Contents"
    info = (contents / "Info.plist").read_bytes()
    seal = contents / "_CodeSignature" / "CodeResources"
    try:
        program = plistlib.loads(info)["CFBundleExecutable"]
        resources = plistlib.loads(seal.read_bytes())
        files, rules = dict(resources["files2"]), sorted(_rules(resources), key=lambda rule: -rule[0])
    except Exception as error:  # plistlib raises many kinds
        return [f"Info.plist or CodeResources cannot be read: {error}"]
    found = program_problems(contents / "MacOS" / program, info, seal.read_bytes())
    for path in sorted(contents.rglob("*")):
        name = path.relative_to(contents).as_posix()
        if path.is_dir() or name in (f"MacOS/{program}", "_CodeSignature/CodeResources"):
            continue
        if name == "CodeResources":  # it came after the signature, and nothing seals it
            found += [] if path.read_bytes().startswith(TICKET) else [f"{name}: not a ticket of Apple's notary service"]
            continue
        rule = next((rule for rule in rules if rule[1].search(name)), None)
        if rule is None or rule[2]:
            if name != "Info.plist":  # sealed by the program itself
                found += [] if rule else [f"{name}: no rule seals it"]
            continue
        entry = files.pop(name, None)
        if entry is None:
            found.append(f"{name}: not sealed")
        elif is_macho(path) and "cdhash" in entry:
            signature = read(path)
            if signature is None or signature.best.hash(signature.best.blob)[:20] != entry["cdhash"]:
                found.append(f"{name}: not the code that was sealed")
        elif hashlib.sha256(path.read_bytes()).digest() != entry.get("hash2"):
            found.append(f"{name}: not the file that was sealed")
        if is_macho(path):
            found += program_problems(path)
    return found + [f"{name}: sealed, and not there" for name in files]
