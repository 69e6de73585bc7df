"""The number of a build, CFBundleVersion: the time of its commit, in minutes since 1970.

It grows on every branch and, unlike a count of commits, needs no history (a shallow clone has one commit). Updates compare only this number, so
a release whose number is not higher than those of all earlier releases is refused."""

import subprocess

from manifest import ROOT


def git(*words, root=ROOT):
    return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True).stdout.strip()


def of(epoch):
    """epoch: the time of the commit, in seconds since 1970."""
    return epoch // 60


def check(version, epoch, root=ROOT):
    """Errors: ValueError, if a tag of another version has this number or a higher one, or if tags may be missing."""
    if git("rev-parse", "--is-shallow-repository", root=root) == "true":
        raise ValueError("this clone is shallow, so that the build numbers of earlier releases are not known. First: git fetch --unshallow --tags")
    listed = git("for-each-ref", "--format=%(refname:short) %(committerdate:unix) %(*committerdate:unix)", "refs/tags/v*", root=root)
    for line in listed.splitlines():
        tag, *times = line.split()
        if tag != f"v{version}" and of(int(times[-1])) >= of(epoch):
            raise ValueError(f"the build number {of(epoch)} is not above that of {tag}, {of(int(times[-1]))}. Release a commit that is newer by a minute or more.")
