"""What gguf_dump says of files and folders. MLXR_GGUF_DUMP names the program."""

import dataclasses
import os
import shlex
import subprocess
import tempfile

MEMORY_KIB = 48 << 10  # above what the reader takes for a good file


@dataclasses.dataclass
class Link:
    to: str


PIPE = object()


def write(path, content):
    """A file from bytes, a folder from {name: content}, a symbolic link, a pipe."""
    if isinstance(content, Link):
        os.symlink(content.to, path)
    elif content is PIPE:
        os.mkfifo(path)
    elif isinstance(content, dict):
        os.mkdir(path)
        for name, inner in content.items():
            write(os.path.join(path, name), inner)
    else:
        with open(path, "wb") as out:
            out.write(content)


def dump(files, names=None):
    """What gguf_dump says of each of {name: what write() takes}, or of `names` in them, and its memory in KiB."""
    names = list(files) if names is None else names
    with tempfile.TemporaryDirectory(prefix="mlxr-hostile-") as folder:
        for name, data in files.items():
            write(os.path.join(folder, name), data)
        with open(os.path.join(folder, "output"), "w+") as output:
            process = subprocess.Popen([*shlex.split(os.environ["MLXR_GGUF_DUMP"]), *(os.path.join(folder, name) for name in names)], stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            lines = output.read().splitlines()
    if process.returncode not in (0, 1) or len(lines) != len(names):
        assert len(files) > 1, f"{next(iter(files))} ended gguf_dump with {process.returncode}"
        for name, data in files.items():  # which one was it?
            dump({name: data})
    assert process.returncode == any(not line.startswith("ok ") for line in lines)
    return dict(zip(names, lines, strict=True)), usage.ru_maxrss
