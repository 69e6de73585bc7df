"""Reads the bill of materials of an installer package, the file Bom of each component: what the installer records as installed. Apple does not
document the format; this follows the description that Bomutils published, and shares nothing with mlxr-pack, which writes it.

    entries(data)             {path: Entry} of every file and folder, "." first
    problems(data, folder)    a sentence for each difference from the payload in that folder; all of it must be root's
"""

import dataclasses
import pathlib
import struct
import subprocess

FILE, FOLDER = 1, 2


@dataclasses.dataclass(frozen=True)
class Entry:
    kind: int  # FILE or FOLDER
    mode: int
    owner: tuple[int, int]  # user, group
    size: int
    checksum: int  # of a file: that of cksum(1)


class BomError(ValueError):
    pass


class Store:
    """Blocks by their number, some of which have a name."""

    def __init__(self, data):
        magic, version, _, index, _, names, _ = struct.unpack_from(">8s6I", data)
        if (magic, version) != (b"BOMStore", 1):
            raise BomError("it is not a bill of materials")
        self.data = data
        count = struct.unpack_from(">I", data, index)[0]
        self.places = [struct.unpack_from(">2I", data, index + 4 + 8 * i) for i in range(count)]
        self.named, at = {}, names + 4
        for _ in range(struct.unpack_from(">I", data, names)[0]):
            block, length = struct.unpack_from(">IB", data, at)
            self.named[data[at + 5 : at + 5 + length].decode()] = block
            at += 5 + length

    def block(self, number):
        at, length = self.places[number]
        if at + length > len(self.data):
            raise BomError(f"block {number} ends behind the end of the file")
        return self.data[at : at + length]

    def tree(self, name):
        """The (value, key) blocks of a tree, from its first leaf to its last."""
        magic, _, number = struct.unpack_from(">4s2I", self.block(self.named[name]))
        if magic != b"tree":
            raise BomError(f"{name} is not a tree")
        while True:
            block = self.block(number)
            leaf, count, following = struct.unpack_from(">2HI", block)
            if leaf:
                for i in range(count):
                    value, key = struct.unpack_from(">2I", block, 12 + 8 * i)
                    yield self.block(value), self.block(key)
            number = following if leaf else struct.unpack_from(">I", block, 12)[0]
            if not number:
                return


def entries(data):
    """Errors: BomError; struct.error, IndexError and KeyError too, for a file that is cut or points nowhere."""
    store = Store(data)
    paths, found, last = {0: ""}, {}, (-1, "")
    for value, key in store.tree("Paths"):
        number, record = struct.unpack(">2I", value)
        kind, _, _, mode, user, group, _, size, _, checksum = struct.unpack_from(">BB2H4IBI", store.block(record))
        place = struct.unpack_from(">I", key)[0], key[4:].rstrip(b"\0").decode()
        if place <= last:
            raise BomError(f"'{place[1]}' is out of order: lsbom would stop before it")
        parent, name = last = place
        paths[number] = f"{paths[parent]}/{name}" if paths[parent] else name
        found[paths[number]] = Entry(kind, mode, (user, group), size, checksum)
    return found


def cksum(path):
    return int(subprocess.run(["cksum"], stdin=path.open("rb"), stdout=subprocess.PIPE, check=True).stdout.split()[0])


def problems(data, folder):
    try:
        listed = entries(data)
    except (BomError, struct.error, IndexError, KeyError) as error:
        return [f"the bill of materials cannot be read: {error}"]
    inside = {".": folder} | {f"./{path.relative_to(folder).as_posix()}": path for path in pathlib.Path(folder).rglob("*")}
    found = []
    for name in sorted(listed.keys() | inside.keys()):
        if name not in listed or name not in inside:
            found.append(f"{name}: not in the bill of materials" if name in inside else f"{name}: in the bill of materials only")
            continue
        entry, status = listed[name], inside[name].stat()
        if entry.mode != status.st_mode:
            found.append(f"{name}: its mode is {entry.mode:#o}, and that of the file {status.st_mode:#o}")
        if entry.owner != (0, 0) or entry.kind != (FOLDER if inside[name].is_dir() else FILE):
            found.append(f"{name}: it is not root's, or not of its kind")
        if entry.kind == FILE and entry.size != status.st_size:
            found.append(f"{name}: its size is {entry.size}, and that of the file {status.st_size}")
        elif entry.kind == FILE and entry.checksum != cksum(inside[name]):
            found.append(f"{name}: its checksum is wrong")
    return found
