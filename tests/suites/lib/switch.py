# SPDX-License-Identifier: GPL-2.0
"""The switches of the module under test: who serves what is made from then on, on the whole machine."""

import contextlib
from pathlib import Path

import suite

# Files of memfd_create(2), System V IPC, anonymous shared memory and drivers.
FILES = Path("/sys/fs/rtmpfs/shared_memory")
# Mounts of type tmpfs.
MOUNTS = Path("/sys/fs/rtmpfs/mounts")


def turn(switch: Path, on: bool) -> None:
    switch.write_text("1" if on else "0", encoding="ascii")


@contextlib.contextmanager
def shared_memory_of(fstype: str):
    """What is made without a mount is served by the type, tmpfs or the one under test."""
    if fstype == suite.ORACLE:
        yield
        return
    turn(FILES, True)
    try:
        yield
    finally:
        turn(FILES, False)
