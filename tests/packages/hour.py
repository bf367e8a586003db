# SPDX-License-Identifier: GPL-2.0
"""What a user does in the first hour with a machine on which the packages are installed, by the tools of Debian alone.

Each test yields its name and what was wrong, "" for nothing.
"""

import contextlib
import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Iterator

import figures
import suite
from suite import call, mounted

KIB = 1 << 10
MIB = 1 << 20
USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
WHERE = Path("/mnt")
UNIT = Path("/etc/systemd/system/srv-unit.mount")

Results = Iterator[tuple[str, str]]


def refused(*command: str) -> str:
    """What a command that has to fail says."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        raise RuntimeError(f"{' '.join(command)} did not fail: {done.stdout}")
    return done.stdout


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def lacks(text: str, *words: str) -> str:
    """The text, where it lacks one of these."""
    return "" if all(word in text for word in words) else f"{words} are not all in: {text}"


def options() -> Results:
    """Wrong ones are named; a remount changes the limit."""
    said = refused("mount", "-t", "rtmpfs", "-o", "sise=1M", "none", str(WHERE))
    yield "mount names an option that there is not", lacks(said, "sise")
    said = refused("mount", "-t", "rtmpfs", "-o", "size=much", "none", str(WHERE))
    yield "mount names a value that is none", lacks(said, "size")
    with mounted(suite.TYPE, "size=1M") as where:
        call("mount", "-o", "remount,size=2M", where)
        shown = call("findmnt", "-n", "-o", "OPTIONS", where)
        yield "a remount changes the size", lacks(shown, "size=2048k")
        (where / "file").write_bytes(bytes(2 * MIB))
        said = refused("mount", "-o", "remount,size=1M", str(where))
        yield "one that is too small for what there is says so", lacks(said, "size")
        said = refused("dd", "if=/dev/zero", f"of={where}/more", "bs=4096", "count=1")
        yield "a full mount has no space left", lacks(said, "No space left")


def quota() -> Results:
    """A limit for each user but root, by options and no tool."""
    with mounted(suite.TYPE, "usrquota,usrquota_block_hardlimit=1m,mode=1777") as where:
        said = refused(*USER, "dd", "if=/dev/zero", f"of={where}/file", "bs=64K", "count=32")
        yield "a user has no more than quota allows", lacks(said, "Disk quota exceeded")
        size = (where / "file").stat().st_size
        yield "and all of that", "" if size == MIB else f"the file has {size} bytes"
        call("dd", "if=/dev/zero", f"of={where}/of-root", "bs=64K", "count=32")
        yield "which is no limit for root", "" if (where / "of-root").stat().st_size == 2 * MIB else "the file is another one"


def unit() -> Results:
    """A mount that a unit of systemd describes."""
    UNIT.write_text("[Mount]\nWhat=rtmpfs\nWhere=/srv/unit\nType=rtmpfs\nOptions=size=16M,mode=750\n", encoding="ascii")
    try:
        call("systemctl", "daemon-reload")
        call("systemctl", "start", UNIT.name)
        shown = call("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "/srv/unit")
        yield "a unit of systemd mounts it", lacks(shown, "rtmpfs", "size=16384k", "mode=750")
        call("systemctl", "stop", UNIT.name)
        yield "and unmounts it", "it is there" if os.path.ismount("/srv/unit") else ""
    finally:
        UNIT.unlink()
        call("systemctl", "daemon-reload")


def container() -> Results:
    """Namespaces of a user without privileges."""
    said = call(*USER, "unshare", "-Urm", "sh", "-c",
                f"mount -t rtmpfs -o size=1M none {WHERE} && echo text >{WHERE}/file && stat -f -c %T {WHERE} && cat {WHERE}/file")
    yield "a user mounts it in namespaces of the user's own", lacks(said, "tmpfs", "text")
    said = refused(*USER, "mount", "-t", "rtmpfs", "none", str(WHERE))
    yield "and not outside of them", lacks(said, "superuser")
    with mounted(suite.TYPE, "mode=1777") as where:
        call(*USER, "bwrap", "--ro-bind", "/", "/", "--bind", where, where, "--unshare-all", "cp", "/etc/passwd", where)
        yield "a sandbox of bubblewrap works in a mount that is given to it", "" if (
            where / "passwd").read_bytes() == Path("/etc/passwd").read_bytes() else "the file is another one"


def nfs() -> Results:
    """An export over NFS, to the machine itself."""
    share = Path("/scratch/share")
    share.mkdir(exist_ok=True)
    call("systemctl", "start", "nfs-server")
    call("exportfs", "-o", "rw,no_root_squash,no_subtree_check,insecure", f"127.0.0.1:{share}")
    try:
        call("mount", "-t", "nfs4", f"127.0.0.1:{share}", WHERE)
        try:
            content = os.urandom(MIB)
            (WHERE / "file").write_bytes(content)
            yield "what is written over NFS is in the mount", "" if (
                share / "file").read_bytes() == content else "the file is another one"
            (share / "file").rename(share / "other")
            (share / "other").write_bytes(content[:KIB])
            yield "and what is changed there is seen over NFS", "" if (
                WHERE / "other").read_bytes() == content[:KIB] else "the file is another one"
        finally:
            call("umount", WHERE)
    finally:
        call("exportfs", "-u", f"127.0.0.1:{share}")
        call("systemctl", "stop", "nfs-server")
    (share / "other").unlink()


@contextlib.contextmanager
def swap_file() -> Iterator[Path]:
    file = Path("/var/swap")
    call("dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=64")
    file.chmod(0o600)
    call("mkswap", file)
    try:
        yield file
    finally:
        file.unlink()


@contextlib.contextmanager
def zram() -> Iterator[Path]:
    call("modprobe", "zram")
    # Which looks into each new device, and into one that was written: until then it is busy.
    call("udevadm", "settle")
    device = Path(call("zramctl", "--find", "--size", "64M").strip())
    call("mkswap", device)
    try:
        yield device
    finally:
        call("udevadm", "settle")
        call("zramctl", "--reset", device)


def swap() -> Results:
    """A task with too little memory writes a file."""
    for name, area in ("a file", swap_file), ("zram", zram):
        with area() as device, mounted(suite.TYPE, "size=48M") as where:
            call("swapon", device)
            file = where / "file"
            try:
                call("systemd-run", "--quiet", "--wait", "--collect", "-p", "MemoryMax=16M", "dd", "if=/dev/urandom",
                     f"of={file}", "bs=1M", "count=32")
                swapped = figures.read(figures.folder(where) / "swapped") * figures.PAGE
                yield f"{name} takes what the memory of a service cannot hold", "" if (
                    swapped >= 8 * MIB) else f"{swapped} of {32 * MIB} bytes are in swap"
                before = digest(file)
            finally:
                call("swapoff", device)
            yield f"and gives back what it was, before {name} goes", "" if digest(file) == before else "the file is another one"


def sandbox() -> Results:
    """Of a machine whose mounts of type tmpfs are rtmpfs."""
    said = call(*USER, "bwrap", "--ro-bind", "/", "/", "--tmpfs", WHERE, "--unshare-all", "sh", "-c",
                f"stat -c '%Hd:%Ld' {WHERE}; ls /sys/fs/rtmpfs")
    device, *folders = re.findall(r"^\d+:\d+$", said, re.MULTILINE)
    yield "a tmpfs of bubblewrap is rtmpfs", "" if device in folders else f"{device} is none of {folders}"


def first_hour() -> Results:
    for part in options, quota, unit, container, nfs, swap:
        yield from part()
