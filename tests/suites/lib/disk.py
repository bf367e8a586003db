# SPDX-License-Identifier: GPL-2.0
"""The disk of this machine that is for swap."""

import contextlib
from pathlib import Path
from typing import Iterator, Optional

import suite


def disk() -> Optional[Path]:
    """The disk; None where there is none, or no swap."""
    if "SWAP" in suite.LACKS:
        return None
    for block in Path("/sys/block").iterdir():
        serial = block / "serial"
        if serial.is_file() and serial.read_text(encoding="ascii").strip() == "disk1":
            return Path("/dev") / block.name
    return None


@contextlib.contextmanager
def swap(device: Path) -> Iterator[None]:
    """Swap on a disk."""
    suite.call("mkswap", device)
    suite.call("swapon", device)
    try:
        yield
    finally:
        suite.call("swapoff", device)
