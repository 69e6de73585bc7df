"""docs/models.md, written from the tables of the tests: `python tests/core/models/models_page.py` writes it, test_models_page.py compares it."""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "core" / "models"))

import encoder_folders  # noqa: E402
import test_encoders as encoders  # noqa: E402
import test_families as files  # noqa: E402
import test_folders as folders  # noqa: E402
from blocks import TYPES  # noqa: E402  (tests/reference; real_models has put that folder on the path)
from real_models import GEMMA3, SMOLLM2, VARIANTS  # noqa: E402

PAGE = ROOT / "docs" / "models.md"
FAMILIES = ROOT / "core" / "models" / "family.cpp"

PROSE = f"""
Which models MLXR runs, and what each was checked against. The tests write this page from their own
tables (`tests/core/models/models_page.py`) and fail when it differs, so a row here is a test that
ran.

A test makes a small model with random weights in float32, of the family's own layers, and compares
the logits over {len(files.TOKENS)} tokens: with MLX expressions and with each variant of the kernel pack that the
processor has ({", ".join(VARIANTS)}). The largest difference may be {files.ARITHMETIC} of the logits'
standard deviation. The peers are NumPy (`tests/reference`, written from the papers), llama.cpp, and
mlx-lm's own classes.
"""

GGUF = """
The key `general.architecture` of a file names its family. A name in the other columns is a model
that was compared with that peer: the plain one of the family, or one with a feature of its own. Of
embeddings, which have the length 1, the distance is compared, and of scores their difference.
"""

FOLDERS = f"""
`model_type` of `config.json` names the family. The logits of the folder are compared with those of
mlx-lm over {len(folders.TOKENS)} tokens, and those of the GGUF file that `mlx import` makes of it with those
of llama.cpp over {len(folders.FEW)}, where it loads such a small model ({folders.OF_LLAMA_CPP} of the standard
deviation: it rounds more).
"""

ENCODER_FOLDERS = """
Of folders of models that make embeddings, the embeddings are compared with those of another program
that reads the same tensors, and those of the GGUF file with llama.cpp's: with the pooling and the
layers behind it of sentence-transformers (`modules.json`).
"""

TYPES_PROSE = """
Every block type is decoded bit for bit as PyPI `gguf` does, and a model of each is compared with the
NumPy reference on the decoded weights. The log says when weights are converted because the
processor's kernels do not have their type.
"""

PACKED = f"""
Of a folder, weights in F32, F16 and BF16, and packed ones as MLX's converter and others write them.
Their values must be those of MLX ({folders.ARITHMETIC} of the logits' deviation; {folders.HALF} where they
become float16).
"""


def architectures():
    """Those of the engine's table, in its order."""
    return re.findall(r'\{\.name = "([^"]+)"', FAMILIES.read_text())


def names(rows):
    return ", ".join(f"`{row}`" for row in rows) or "-"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])


def gguf_rows():
    reference = {name: shape.architecture for name, shape in files.FAMILIES.items()}
    peer = {name: arch for name, arch in reference.items() if name not in files.NOT_FOR_LLAMA_CPP}
    peer |= {name: shape.architecture for name, shape in files.AGAINST_LLAMA_CPP.items()}
    peer |= {f"{name} (embedding)": shape.architecture for name, shape in encoders.FAMILIES.items()}
    peer |= {f"{name} (scores)": shape.architecture for name, shape in encoders.CROSS_ENCODERS.items()}
    of = lambda table, architecture: [name for name, arch in table.items() if arch == architecture]  # noqa: E731
    return [(f"`{architecture}`", names(of(reference, architecture)), names(of(peer, architecture))) for architecture in architectures()]


def model_type(family):
    return family.more.get("model_type", family.config["model_type"])


def folder_rows():
    types = dict.fromkeys(model_type(family) for family in folders.FAMILIES.values())
    of = lambda wanted: [name for name, family in folders.FAMILIES.items() if model_type(family) == wanted]  # noqa: E731
    return [(f"`{wanted}`", names(of(wanted)), names(name for name in of(wanted) if name not in folders.NOT_FOR_LLAMA_CPP)) for wanted in types]


def encoder_rows():
    of_numpy = [(f"`{kind}`", f"`{kind}`", "NumPy") for kind in encoders.BERTS]
    all_of = {}
    for name, encoder in encoder_folders.ENCODERS.items():
        all_of.setdefault((encoder_folders.model_type(encoder), encoder.peer), []).append(name)
    return of_numpy + [(f"`{kind}`", names(of), peer) for (kind, peer), of in all_of.items()]


def wrapped(names):
    return textwrap.fill(", ".join(names) + ".", 100, break_on_hyphens=False)


def page():
    parts = [
        "# Models",
        textwrap.dedent(PROSE).strip(),
        "## GGUF files",
        GGUF.strip(),
        table(["Architecture", "NumPy reference", "llama.cpp"], gguf_rows()),
        wrapped([f"Real files: {SMOLLM2[0]}", GEMMA3[0]]),
        "## Model folders",
        FOLDERS.strip(),
        table(["`model_type`", "mlx-lm", "llama.cpp, on the imported file"], folder_rows()),
        ENCODER_FOLDERS.strip(),
        table(["`model_type`", "models", "compared with"], encoder_rows()),
        "## Types of weights",
        TYPES_PROSE.strip(),
        wrapped(TYPES),
        PACKED.strip(),
        wrapped(f"`{name}`" for name in folders.PACKED),
    ]
    parts = [piece for part in parts for piece in part.split("\n\n")]
    paragraphs = ["\n".join(textwrap.wrap(part, 100, break_on_hyphens=False)) if not part.startswith(("|", "#")) else part for part in parts]
    return "\n\n".join(paragraphs) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
