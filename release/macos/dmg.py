"""The disk image: the app beside a link to /Applications, on a background with instructions, with the license.

    HFS+ by xorriso → the partition alone → UDIF by mlxr-pack (zlib, which every reader knows) → signed
"""

import os
import re
import shutil
import subprocess

from ds_store import DSStore
from mac_alias import ALIAS_KIND_FILE, Alias, TargetInfo, VolumeInfo

VOLUME = "MLXR"
BACKGROUND = (640, 400)
ICONS = {"MLXR.app": (170, 200), "Applications": (470, 200), "License.txt": (320, 330)}


def lay_out(app, root, background, licence, date):
    """Makes the folder `root` as the image shows it. `date` is a datetime with a time zone."""
    shutil.rmtree(root, ignore_errors=True)
    (root / ".background").mkdir(parents=True)
    subprocess.run(["rsvg-convert", "-o", root / ".background" / "background.png", background], check=True)
    shutil.copytree(app, root / "MLXR.app")
    (root / "Applications").symlink_to("/Applications")
    shutil.copyfile(licence, root / "License.txt")
    _finder_settings(root / ".DS_Store", date)


def _finder_settings(path, date):
    # A node's number on the volume is not known here: Finder then resolves the background by its path.
    volume = VolumeInfo(VOLUME, date, b"H+", 5, 0, b"\0\0")
    volume.posix_path = f"/Volumes/{VOLUME}"
    target = TargetInfo(ALIAS_KIND_FILE, "background.png", 0, 0, date, b"\0\0\0\0", b"\0\0\0\0", folder_name=".background",
                        carbon_path=f"{VOLUME}:.background:\0background.png", posix_path="/.background/background.png")  # fmt: skip
    width, height = BACKGROUND
    bars = ("ShowStatusBar", "ContainerShowSidebar", "PreviewPaneVisibility", "ShowTabView", "ShowToolbar", "ShowPathbar", "ShowSidebar")
    with DSStore.open(str(path), "w+") as store:
        store["."]["vSrn"] = ("long", 1)
        store["."]["bwsp"] = {"WindowBounds": f"{{{{200, 120}}, {{{width}, {height}}}}}", "SidebarWidth": 0, **dict.fromkeys(bars, False)}
        store["."]["icvp"] = {
            "viewOptionsVersion": 1, "backgroundType": 2, "backgroundImageAlias": Alias(volume=volume, target=target).to_bytes(),
            "backgroundColorRed": 1.0, "backgroundColorGreen": 1.0, "backgroundColorBlue": 1.0, "gridOffsetX": 0.0, "gridOffsetY": 0.0,
            "gridSpacing": 100.0, "arrangeBy": "none", "showIconPreview": True, "showItemInfo": False, "labelOnBottom": True,
            "textSize": 13.0, "iconSize": 112.0, "scrollPositionX": 0.0, "scrollPositionY": 0.0,
        }  # fmt: skip
        store["."]["icvl"] = ("type", b"icnv")
        for name, place in ICONS.items():
            store[name]["Iloc"] = place


def write(root, to, pack, work, epoch):
    """Writes the unsigned image `to` of the folder `root`; `epoch` is the time of every file, in seconds since 1970."""
    for path in [root, *root.rglob("*")]:
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    iso, partition = work / "hfs.iso", work / VOLUME
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    iso.unlink(missing_ok=True)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-hfsplus", "-hfsplus-serial-no", f"{epoch:016x}", "-uid", "0", "-gid", "80", "-V", VOLUME, "-D",
                    "-R", "-o", iso, root], check=True, env=environment)  # fmt: skip
    start, count = _hfs_partition(iso)
    with iso.open("rb") as source, partition.open("wb") as out:
        source.seek(start * 512)
        out.write(source.read(count * 512))
    iso.unlink()
    subprocess.run([pack, "dmg", partition, to], check=True)
    correct_trailer(to)
    partition.unlink()


TRAILER = 512
# In Apple's UDIFResourceFile the image's checksum, its variant and its number of sectors begin at byte 352, after the place of a signature.
WRITTEN, WANTED, LENGTH = 296, 352, 4 + 4 + 128 + 4 + 8


def correct_trailer(path):
    """The crate udif (0.4.2) writes these fields at the place of the signature. Signing then hashes the wrong bytes, and macOS finds no
    number of sectors."""
    data = bytearray(path.read_bytes()[-TRAILER:])
    fields = bytes(data[WRITTEN : WRITTEN + LENGTH])
    data[WRITTEN:] = bytes(WANTED - WRITTEN) + fields + bytes(TRAILER - WANTED - LENGTH)
    with path.open("r+b") as file:
        file.seek(-TRAILER, os.SEEK_END)
        file.write(data)


def _hfs_partition(iso):
    """(first sector, sectors) of the image's Apple_HFS partition."""
    report = subprocess.run(["xorriso", "-indev", iso, "-report_system_area", "plain"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"^APM partition type\s*:\s*(\d+)\s+Apple_HFS", report, re.M).group(1)
    fields = re.search(rf"^APM start and size\s*:\s*{number}\s+(\d+)\s+(\d+)", report, re.M)
    return int(fields.group(1)), int(fields.group(2))
