"""scripts/lib/gtest_totals.py counts skipped C++ tests as skipped, with their reasons; tests/gtest_main.cpp tells ctest when all were."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="0" errors="0" time="0." name="AllTests"><testsuite name="Pull" tests="4" failures="1" disabled="0" skipped="2" errors="0">
<testcase name="Resumes" status="run" result="completed" time="0." classname="Pull"/>
<testcase name="FullDisk" status="run" result="skipped" time="0." classname="Pull"><skipped message="tests/store/pull_test.cpp:124&#x0A;mounting a tmpfs needs root"><![CDATA[x]]></skipped></testcase>
<testcase name="FullDiskTwice" status="run" result="skipped" time="0." classname="Pull"><skipped message="tests/store/pull_test.cpp:130&#x0A;mounting a tmpfs needs root"><![CDATA[x]]></skipped></testcase>
<testcase name="Breaks" status="run" result="completed" time="0." classname="Pull"><failure message="x" type=""><![CDATA[x]]></failure></testcase>
</testsuite></testsuites>
"""


def test_each_reason_stands_with_its_number_before_the_totals(tmp_path):
    (tmp_path / "test_store_pull.xml").write_text(REPORT)
    printed = subprocess.run([sys.executable, ROOT / "scripts/lib/gtest_totals.py", tmp_path], capture_output=True, text=True, check=True).stdout
    assert printed == "SKIPPED [2] Pull.FullDisk and others: mounting a tmpfs needs root\nC++ tests: 1 passed, 1 failed, 2 skipped\n"
