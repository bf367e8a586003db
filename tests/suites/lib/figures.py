# SPDX-License-Identifier: GPL-2.0
"""The figures of the module under test, and those of the kernel that they are to agree with."""

import mmap
import os
import re
import time
from pathlib import Path
from typing import Callable

CONTROL = Path("/sys/fs/rtmpfs")
NAMES = ("resident", "swapped", "inodes")
PAGE = mmap.PAGESIZE
# Until what is put off (freeing, folding the counters of processors and cgroups) is done.
QUIET_SECONDS = 10


def read(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def device(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"


def folder(where: Path) -> Path:
    """That of the mount in which something is."""
    return CONTROL / device(os.lstat(where).st_dev)


def folders() -> list[Path]:
    return sorted(path for path in CONTROL.iterdir() if ":" in path.name)


def shmem() -> int:
    """Pages of shared memory in the page cache, of tmpfs and of the module, as the kernel counts them."""
    # The processors hand in what they have counted.
    Path("/proc/sys/vm/stat_refresh").write_text("1", encoding="ascii")
    found = re.search(r"^Shmem: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 // PAGE


def of_tmpfs() -> int:
    """How many of those are tmpfs's."""
    return shmem() - read(CONTROL / "resident")


def differ(what: str, one: Callable[[], int], other: Callable[[], int]) -> str:
    """The two are only equal in a quiet moment, of which ten seconds must have one; "" if they are."""
    end = time.monotonic() + QUIET_SECONDS
    while True:
        found = one(), other()
        if found[0] == found[1]:
            return ""
        if time.monotonic() > end:
            return f"{what}: {found[0]} and {found[1]}"
        time.sleep(0.1)
