"""Mixed text from a fixed seed: scripts, emoji, code, numbers, whitespace, special tokens, broken UTF-8."""
import random
import unicodedata

SCRIPTS = [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x530, 0x58F), (0x5D0, 0x5EA), (0x600, 0x6FF),
           (0x900, 0x97F), (0x980, 0x9FF), (0xE00, 0xE5B), (0x10A0, 0x10FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x3040, 0x30FF),
           (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x10330, 0x1034A), (0x1D400, 0x1D7FF), (0x2000, 0x206F), (0x2190, 0x22FF), (0x660, 0x669)]
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "❤️", "🤷🏿‍♂️", "😀"]
CODE = ["for (int i = 0; i < n; ++i) {\n\t\treturn x[i] != 0xFF;\n}", "def f(x):\n    return {'a': x ** 2}\n", "<div class=\"a\">&nbsp;</div>\r\n",
        "SELECT * FROM t WHERE id='7';", "https://example.org/a?b=c&d=%20", "\\frac{1}{2} #!/bin/sh && ls -la | grep '^d'"]
WORDS = ("the of and to in I'll don't we've they're it's HELLO Don'T Tokenization antidisestablishmentarianism naïve café straße "
         "don’t e.g. U.S.A. well-known 3rd x86_64 camelCase snake_case ______ ...... !!!???").split()
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", " \n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u180e", "\u0085", "\u2028", " " * 37, "\t" * 5]
BROKEN = [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\x80\x80", b"\xe2\x28\xa1"]


def _assigned(first, last, rng):
    while True:
        char = chr(rng.randint(first, last))
        if unicodedata.ucd_3_2_0.category(char) != "Cn":  # newer characters have categories only where the library is new enough
            return char


def texts(total_bytes, specials, seed=20240229):
    """Yields byte strings, `total_bytes` of them in all or a little more."""
    rng = random.Random(seed)
    done = 0
    while done < total_bytes:
        parts = []
        for _ in range(rng.randint(1, 120)):
            kind = rng.random()
            if kind < 0.45:
                parts.append(rng.choice(WORDS).encode())
            elif kind < 0.65:
                first, last = rng.choice(SCRIPTS)
                parts.append("".join(_assigned(first, last, rng) for _ in range(rng.randint(1, 12))).encode())
            elif kind < 0.72:
                parts.append(rng.choice(EMOJI).encode())
            elif kind < 0.80:
                parts.append(rng.choice(CODE).encode())
            elif kind < 0.88:
                parts.append(str(rng.randint(0, 10 ** rng.randint(1, 15))).encode())
            elif kind < 0.90:
                parts.append(rng.choice("aA=-.0 ").encode() * rng.randint(2, 90))
            elif kind < 0.93:
                parts.append(rng.choice(specials).encode())
            elif kind < 0.95:
                parts.append(rng.choice(BROKEN))
            parts.append(rng.choice(SPACES).encode() if rng.random() < 0.3 else b" " if rng.random() < 0.7 else b"")
        text = b"".join(parts)
        done += len(text)
        yield text
