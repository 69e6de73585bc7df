"""scripts/lib/gtest_totals.py counts skipped C++ tests as skipped, with their reasons; tests/gtest_main.cpp tells ctest when all were."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="0" errors="0" time="0." name="AllTests"><testsuite name="Pull" tests="4" failures="1" disabled="0" skipped="2" errors="0">
<testcase name="Resumes" status="run" result="completed" time="0." classname="Pull"/>
<testcase name="FullDisk" status="run" result="skipped" time="0." classname="Pull"><skipped message="tests/store/pull_test.cpp:124&#x0A;mounting a tmpfs needs root"><![CDATA[x]]></skipped></testcase>
<testcase name="FullDiskTwice" status="run" result="skipped" time="0." classname="Pull"><skipped message="tests/store/pull_test.cpp:130&#x0A;mounting a tmpfs needs root"><![CDATA[x]]></skipped></testcase>
<testcase name="Breaks" status="run" result="completed" time="0." classname="Pull"><failure message="x" type=""><![CDATA[x]]></failure></testcase>
</testsuite></testsuites>
"""


def totals(folder, **environment):
    environment = {**os.environ, "MLXR_ALLOWED_SKIPS": "", **environment}
    return subprocess.run([sys.executable, ROOT / "scripts/lib/gtest_totals.py", folder], capture_output=True, text=True, env=environment)


def test_each_reason_stands_with_its_number_before_the_totals(tmp_path):
    (tmp_path / "test_store_pull.xml").write_text(REPORT)
    assert totals(tmp_path).stdout == "SKIPPED [2] Pull.FullDisk and others: mounting a tmpfs needs root\nC++ tests: 1 passed, 1 failed, 2 skipped\n"


@pytest.mark.parametrize("reason, as_root, as_user", [("this processor cannot run amx", 0, 0), ("mounting a tmpfs needs root", 1, 0), ("of no reason", 1, 1)])
def test_in_ci_a_skip_for_another_reason_fails(tmp_path, reason, as_root, as_user):
    (tmp_path / "test.xml").write_text(REPORT.replace("mounting a tmpfs needs root", reason))
    done = totals(tmp_path, MLXR_ALLOWED_SKIPS="tests/allowed_skips.txt")
    assert done.returncode == (as_root if os.geteuid() == 0 else as_user), done.stdout


def test_pytest_too(tmp_path):
    for reason, status in (("run scripts/setup app", 0), ("of no reason", 1)):
        test = tmp_path / "test_one.py"
        test.write_text(f"import pytest\n\n\ndef test_one():\n    pytest.skip({reason!r})\n")
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pytest.ini", "--rootdir", ROOT, "-p", "conftest", test]
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, "MLXR_ALLOWED_SKIPS": "tests/allowed_skips.txt", "PYTHONPATH": str(ROOT / "tests")},
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
