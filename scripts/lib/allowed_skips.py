"""Which reasons for skipping a test are allowed, where the variable MLXR_ALLOWED_SKIPS names a list of them (tests/allowed_skips.txt)."""
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]


def unexpected(reasons):
    """The reasons that the list does not have; none when there is no list."""
    name = os.environ.get("MLXR_ALLOWED_SKIPS")
    if not name:
        return []
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    patterns = [line.removeprefix("user: ") for line in lines if os.geteuid() != 0 or not line.startswith("user: ")]
    return sorted({reason for reason in reasons if not any(re.search(pattern, reason) for pattern in patterns)})
