"""Writes a SentencePiece charsmap (a double-array trie and its replacements), since no package that can do it is small."""
import struct
import unicodedata


def build(replacements):
    """The bytes of a map from texts to their replacements."""
    values, offsets = bytearray(), {}
    for key in sorted(replacements):
        offsets[key.encode()] = len(values)
        values += replacements[key].encode() + b"\0"
    root = {}
    for key, value in offsets.items():
        node = root
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = value
    units = double_array(root)
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + bytes(values)


def double_array(root):
    """Units as Darts has them: the label in bits 0-7, whether a value follows in bit 8, the offset from bit 10 on (in 256s if bit 9 is set)."""
    units, used, bases, free = {0: 0}, {0}, set(), 1

    def place(node, at, label):
        nonlocal free
        labels = [0 if byte is None else byte for byte in node]
        base = free
        while base in bases or any(base ^ byte in used for byte in labels) or not fits(at ^ base):
            base += 1
        while free in used:
            free += 1
        bases.add(base)  # of one node only: a unit knows its label, not its parent
        used.update(base ^ byte for byte in labels)
        offset = at ^ base
        units[at] = label | (1 << 8 if None in node else 0) | (offset << 10 if offset < 1 << 21 else offset >> 8 << 10 | 1 << 9)
        for byte, child in node.items():
            if byte is None:
                units[base] = 1 << 31 | child
            else:
                place(child, base ^ byte, byte)

    def fits(offset):
        return 0 < offset < 1 << 21 or offset & 0xFF == 0

    place(root, 0, 0)
    return [units.get(at, 0) for at in range(max(units) + 256)]


def nfkc():
    """The greater part of SentencePiece's nmt_nfkc: characters that NFKC changes, letters with marks, spaces."""
    pairs = {}
    for code in (*range(0xA0, 0x3400), *range(0xF900, 0x10000)):
        whole = chr(code)
        if unicodedata.ucd_3_2_0.category(whole) == "Cn":
            continue
        normal = unicodedata.normalize("NFKC", whole)
        if normal != whole:
            pairs[whole] = normal
        apart = unicodedata.normalize("NFD", whole)
        if apart != whole and unicodedata.normalize("NFC", apart) == whole and len(apart) < 4:
            pairs[apart] = whole
    pairs |= {space: " " for space in "\t\n\r\u3000\u2028"} | {"\u200b": "", "\u00ad": ""}
    return build(pairs)
