#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: memory.py COUNT TYPE... Makes COUNT files of each kind on a fresh mount of each type, and prints bytes for each.

What grew of slabs, memory by pages (vmalloc), memory of each CPU and page cache is divided by COUNT, all of it in the
machine: not all that a file system takes is charged to a cgroup. Beside it is what the cgroup of this program was charged.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Optional

CGROUP = Path("/sys/fs/cgroup/bench-memory")
# Files of the page cache are those of the mount: nothing else is read meanwhile.
WHOLE = ("Slab", "VmallocUsed", "Percpu", "Cached")
CHARGED = ("kernel", "file")


def empty(count: int) -> None:
    for number in range(count):
        os.mknod(f"f{number}")


def directories_of_ten(count: int) -> None:
    for number in range(count // 10):
        os.mkdir(f"d{number}")
        os.chdir(f"d{number}")
        empty(10)
        os.chdir("..")


def directories(count: int) -> None:
    for number in range(count):
        os.mkdir(f"d{number}")


def filled(count: int) -> None:
    data = bytes(1024)
    for number in range(count):
        file = os.open(f"f{number}", os.O_CREAT | os.O_WRONLY)
        os.write(file, data)
        os.close(file)


def symlinks(length: int) -> Callable[[int], None]:
    def make(count: int) -> None:
        target = "t" * length
        for number in range(count):
            os.symlink(target, f"l{number}")

    return make


def links(count: int) -> None:
    os.mknod("file")
    for number in range(count):
        os.link("file", f"l{number}")


def xattrs(count: int) -> None:
    for number in range(count):
        os.mknod(f"f{number}")
        os.setxattr(f"f{number}", "user.name", b"a value")


def half_removed(count: int) -> None:
    """The newest half stays."""
    empty(2 * count)
    for number in range(count):
        os.unlink(f"f{number}")


KINDS: dict[str, Callable[[int], None]] = {
    "empty file, in one directory": empty,
    "empty file, in directories of 10": directories_of_ten,
    "empty file, of twice as many in the directory once": half_removed,
    "file of 1 KiB": filled,
    "directory": directories,
    "symbolic link, 8 bytes": symlinks(8),
    "symbolic link, 300 bytes": symlinks(300),
    "hard link": links,
    "empty file with an xattr": xattrs,
}


def settle() -> None:
    """Drops what may be dropped, and lets the rest come to rest."""
    for _ in range(3):
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
        # A grace period of RCU, and the work that follows it.
        time.sleep(0.3)
    for shrink in Path("/sys/kernel/slab").glob("*/shrink"):
        shrink.write_text("1", encoding="ascii")


def figures() -> tuple[int, int]:
    """Bytes of the machine, and of the cgroup."""
    info = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    return sum(int(info[name].split()[0]) for name in WHOLE) * 1024, sum(int(stat[name]) for name in CHARGED)


def measure(fstype: str, count: int, make: Callable[[int], None]) -> Optional[tuple[float, float]]:
    """Bytes for each of them, or nothing where the type cannot have any."""
    place = "/tmp/measured"
    os.makedirs(place, exist_ok=True)
    options = ["-o", "nr_inodes=0"] if fstype != "ramfs" else []
    subprocess.run(["mount", "-t", fstype, *options, fstype, place], check=True)
    try:
        os.chdir(place)
        settle()
        before = figures()
        make(count)
        settle()
        after = figures()
    except OSError as e:
        print(f"{fstype}: {e}", file=sys.stderr)
        return None
    finally:
        os.chdir("/")
        subprocess.run(["umount", place], check=True)
    return (after[0] - before[0]) / count, (after[1] - before[1]) / count


def main() -> None:
    count, types = int(sys.argv[1]), sys.argv[2:]
    Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+memory", encoding="ascii")
    CGROUP.mkdir()
    (CGROUP / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    # What a type has at hand afterwards would be found by the first that is measured.
    for fstype in types:
        measure(fstype, count // 10, empty)
    print("| bytes for each | " + " | ".join(types) + " | " + " | ".join(f"{t}, charged" for t in types) + " | " + f"{types[1]}/{types[0]} |")
    print("|---|" + "---:|" * (2 * len(types) + 1))
    for kind, make in KINDS.items():
        found = [measure(fstype, count, make) for fstype in types]
        cells = [f"{each[at]:.0f}" if each else "-" for at in (0, 1) for each in found]
        ratio = f"{found[1][0] / found[0][0]:.3f}" if found[0] and found[1] else "-"
        print(f"| {kind} | " + " | ".join(cells) + f" | {ratio} |", flush=True)


main()
