"""Reproducible archives: sorted names, the same time for all files, modes kept. A release has no symbolic links."""

import zipfile


def zip_tree(folder, to, inside, time):
    """Writes `to`: the files of `folder`, below the folder `inside`. `time` is (year, month, day, hour, minute, second)."""
    part = to.with_name(to.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                raise ValueError(f"{path} is a symbolic link")
            name = f"{inside}/{path.relative_to(folder).as_posix()}"
            info = zipfile.ZipInfo(name + "/" * path.is_dir(), time)
            info.create_system = 3  # Unix: the modes below mean something
            info.external_attr = path.stat().st_mode << 16 | 0x10 * path.is_dir()
            info.compress_type = zipfile.ZIP_STORED if path.is_dir() else zipfile.ZIP_DEFLATED
            archive.writestr(info, b"" if path.is_dir() else path.read_bytes())
    part.rename(to)
