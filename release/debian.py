"""Data about the packages that MLXR is built against, from Debian's own records: `Installed` for this system, `Archives` for the arm64 root."""
import functools
import pathlib
import re
import subprocess

from digest import sha256


class Installed:
    """The packages of this system, as dpkg has them; hashes from apt's index, which the distribution signed."""
    root = pathlib.Path("/")

    def owners(self, paths):
        """Path → package, for those that belong to one. A path may be a pattern."""
        found = run("xargs", "-d", "\n", "dpkg-query", "-S", input="\n".join(map(str, paths)), check=False)
        return {path: package for package, path in re.findall(r"^([a-z0-9.+-]+)(?::\w+)?: (/.+)$", found, re.M)}

    def facts(self, package):
        """(version, architecture, name of the .deb, its sha256); None for the last two if apt's index has another version."""
        version, arch = run("dpkg-query", "-W", "-f", "${Version} ${Architecture}\n", package).split("\n")[0].split()
        index = run("apt-cache", "show", "--no-all-versions", f"{package}={version}", check=False)
        found = dict(re.findall(r"^(Filename|SHA256): (\S+)$", index, re.M))
        return version, arch, found["Filename"].rsplit("/", 1)[1] if found else None, found.get("SHA256")


class Archives:
    """The packages that a root was created from, in its cache of archives: it has no dpkg database, because nothing was installed in it."""

    def __init__(self, root):
        self.root = root

    @functools.cached_property
    def contents(self):
        """Path → archive."""
        lines = ((deb, line.split(maxsplit=5)[5]) for deb in sorted((self.root / "var/cache/apt/archives").glob("*.deb"))
                 for line in run("dpkg-deb", "--contents", deb).splitlines())
        return {name.split(" -> ")[0].removeprefix("."): deb for deb, name in lines}

    def owners(self, paths):
        wanted = {str(path) for path in paths}
        exact = {path: self.contents[path] for path in wanted & self.contents.keys()}
        patterns = [pattern for pattern in wanted if "*" in pattern]
        matched = {path: deb for path, deb in self.contents.items() if any(pathlib.PurePath(path).match(pattern) for pattern in patterns)}
        return {path: deb.name.split("_")[0] for path, deb in (exact | matched).items()}

    def facts(self, package):
        (deb,) = (self.root / "var/cache/apt/archives").glob(f"{package}_*.deb")
        version, arch = (run("dpkg-deb", "--field", deb, field).strip() for field in ("Version", "Architecture"))
        return version, arch, re.sub(r"_\d+%3a", "_", deb.name), sha256(deb)  # the archive's own name has no epoch


def release():
    """(distribution, code name) of this system; the arm64 root is of the same one."""
    lines = pathlib.Path("/etc/os-release").read_text().splitlines()
    fields = {key: value.strip('"') for key, value in (line.split("=", 1) for line in lines if "=" in line)}
    return fields["ID"], fields["VERSION_CODENAME"]


def run(*command, input=None, check=True):
    return subprocess.run(command, input=input, capture_output=True, text=True, check=check).stdout
