"""The tools that compiled a release, as purls for its provenance: the compilers of this system's packages, and the pinned tools of scripts/setup."""
import re
import shutil

import components
import debian

# Programs, each standing for the Debian package that owns it.
PROGRAMS = ("/usr/bin/g++-*", "/usr/bin/ld.bfd", "/usr/bin/cmake", "/usr/bin/ninja", "/usr/bin/ld64.lld-19", "/usr/bin/llvm-strip-19", "/usr/bin/rustc",
            "/usr/bin/aarch64-linux-gnu-g++-*")  # fmt: skip
SETUP = components.ROOT / "scripts" / "setup"


def used():
    """Sorted purls. A purl has the version; the hashes that scripts/setup demands are in the commit."""
    purls = {f"pkg:pypi/{name}@{version}" for name, version in pins("cross.txt")}
    purls |= {f"pkg:cargo/{name}@{version}" for name, version in re.findall(r"cargo install .* ([\w-]+) --version =([\d.]+)", SETUP.read_text())}
    if shutil.which("dpkg-query"):
        distribution, _ = debian.release()
        installed = debian.Installed()
        for package in set(installed.owners(PROGRAMS).values()):
            version, arch, _, _ = installed.facts(package)
            purls.add(f"pkg:deb/{distribution}/{package.replace('+', '%2B')}@{version.replace('+', '%2B')}?arch={arch}")
    return sorted(purls)


def pins(name):
    """(package, version) of each line of a list of scripts/requirements."""
    return re.findall(r"^([\w.-]+)==([\w.]+)", (components.ROOT / "scripts" / "requirements" / name).read_text(), re.M)
