"""Prints how many GoogleTest tests passed, failed and were skipped, with the reason of each skip: gtest_totals.py FOLDER

FOLDER holds the XML reports that GTEST_OUTPUT=xml:FOLDER/ makes test programs write. ctest counts programs and does not say that some of a
program's tests were skipped. The exit status is 1 for a skip that MLXR_ALLOWED_SKIPS does not allow (allowed_skips.py).
"""
import collections
import os
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import allowed_skips


def totals(folder):
    """(passed, failed, {reason: [names of the skipped tests]})."""
    passed, failed, skipped = 0, 0, collections.defaultdict(list)
    for report in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            skip = case.find("skipped")
            if case.find("failure") is not None:
                failed += 1
            elif skip is not None:
                # The message is FILE:LINE, followed by the text of GTEST_SKIP.
                reason = " ".join((skip.get("message") or "").split("\n")[1:]).strip() or "no reason given"
                skipped[reason].append(f"{case.get('classname')}.{case.get('name')}")
            elif case.get("status") == "run":
                passed += 1
    return passed, failed, skipped


def main():
    passed, failed, skipped = totals(pathlib.Path(sys.argv[1]))
    for reason, names in sorted(skipped.items()):
        print(f"SKIPPED [{len(names)}] {names[0]}{' and others' if names[1:] else ''}: {reason}")
    print(f"C++ tests: {passed} passed, {failed} failed, {sum(map(len, skipped.values()))} skipped")
    unexpected = allowed_skips.unexpected(skipped)
    for reason in unexpected:
        print(f"This reason for a skip is not in {os.environ['MLXR_ALLOWED_SKIPS']}: {reason}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
