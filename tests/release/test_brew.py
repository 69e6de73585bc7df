"""Homebrew's formula and cask: Ruby that says what is true of the artefacts."""
import hashlib
import json
import shutil
import subprocess

import brew
import pytest

needs_ruby = pytest.mark.skipif(not shutil.which("ruby"), reason="ruby is not installed: run scripts/setup release")

# Homebrew's words, as far as they are used, write down what they were told.
HOMEBREW = """
require "json"
class Formula
  def self.told; @@told ||= {}; end
  %i[desc homepage url sha256 license depends_on service test name app binary auto_updates uninstall zap].each do |word|
    define_singleton_method(word) { |*values, **named, &block| (told[word] ||= []).concat(values).concat(named.empty? ? [] : [named]) }
  end
  def self.version(value = nil) = value ? told[:version] = [value] : told[:version][0]
  def self.appdir = "/Applications"
end
def cask(name, &block) = Formula.class_eval(&block)
load ARGV[0]
puts JSON.generate(Formula.told)
"""


@pytest.fixture
def artefacts(tmp_path):
    for name in ("mlxrunnerd-1.2.3-macos-arm64-unnotarized.zip", "MLXR-1.2.3-unnotarized.dmg", "MLXR-1.2.3-unnotarized.zip"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def tap(artefacts, tmp_path):
    brew.write(brew.render(brew.values(artefacts, "1.2.3", "https://example.org/mlxr/")), tmp_path / "tap")
    return tmp_path / "tap"


def told(path):
    return json.loads(subprocess.run(["ruby", "-e", HOMEBREW, path], capture_output=True, text=True, check=True).stdout)


@needs_ruby
@pytest.mark.parametrize("name, artefact", [("Formula/mlxrunner.rb", "mlxrunnerd-1.2.3-macos-arm64-unnotarized.zip"),
                                            ("Casks/mlxr.rb", "MLXR-1.2.3-unnotarized.dmg")])
def test_version_address_and_hash(tap, name, artefact):
    said = told(tap / name)
    assert said["version"] == ["1.2.3"]
    assert said["url"] == [f"https://example.org/mlxr/releases/download/v1.2.3/{artefact}"]
    assert said["sha256"] == [hashlib.sha256(artefact.encode()).hexdigest()]
    assert {"arch": "arm64"} in said["depends_on"]


@needs_ruby
@pytest.mark.parametrize("name", ["Formula/mlxrunner.rb", "Casks/mlxr.rb"])
def test_ruby_has_nothing_against_it(tap, name):
    checked = subprocess.run(["ruby", "-wc", tap / name], capture_output=True, text=True)
    assert (checked.stdout.strip(), checked.stderr) == ("Syntax OK", "")


@pytest.mark.skipif(not shutil.which("rubocop"), reason="rubocop is not installed: run scripts/setup release")
def test_rubocop_has_nothing_against_it(tap):
    checked = subprocess.run(["rubocop", "--only", "Lint", "--format", "simple", "."], cwd=tap, capture_output=True, text=True)
    assert checked.returncode == 0 and "2 files inspected" in checked.stdout, checked.stdout + checked.stderr


@pytest.mark.parametrize("name, present", [("MLXR-1.2.3-unnotarized.dmg", 0), ("MLXR-1.2.3.dmg", 2)])
def test_there_must_be_exactly_one_image(artefacts, name, present):
    (artefacts / name).unlink() if present == 0 else (artefacts / name).write_text("")
    with pytest.raises(ValueError, match=rf"^{present} files match MLXR-1\.2\.3\*\.dmg"):
        brew.values(artefacts, "1.2.3", "https://example.org/mlxr")
