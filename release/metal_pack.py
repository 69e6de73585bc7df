"""Accepts a Metal kernel pack that was compiled on a Mac for a release that is made elsewhere."""
import json

from digest import sha256


def check(compiled, built):
    """`compiled`: the folder from the Mac; `built`: the pack of this build, which has the sources. Errors: ValueError, if `compiled` is not
    a compiled pack of the same version and kernels."""
    try:
        fields, own = (json.loads((folder / "manifest.json").read_text()) for folder in (compiled, built))
    except (OSError, ValueError) as error:
        raise ValueError(f"{compiled} is not a Metal kernel pack: {error}") from None
    if fields["form"] != "metallib":
        raise ValueError(f"{compiled} has the form '{fields['form']}', not compiled kernels: make it on a Mac with Xcode (scripts/build_metal.sh)")
    for name in ("name", "version", "abi", "functions"):
        if fields[name] != own[name]:
            raise ValueError(f"{compiled} is of another build: its {name} is {fields[name]}, and here it is {own[name]}")
    present = {path.name for path in compiled.iterdir()} - {"manifest.json"}
    if present != fields["files"].keys():
        raise ValueError(f"{compiled} holds {', '.join(sorted(present))}, and its manifest names {', '.join(sorted(fields['files']))}")
    for name, digest in fields["files"].items():
        if sha256(compiled / name) != digest:
            raise ValueError(f"{compiled / name} is damaged: its SHA-256 is not that of the manifest")
