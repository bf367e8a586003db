# SPDX-License-Identifier: GPL-2.0
"""The calls of shmem_driver.c, and the files that it makes."""

import contextlib
import ctypes
import errno
import fcntl
import os
import re
from pathlib import Path
from typing import Iterator

import figures
import suite
from figures import PAGE

DEVICE = Path("/dev/shmem_driver")
NUMBERS = {name: int(number, 0) for name, number in
           re.findall(r"^#define DRIVER_(\w+)\s+(\w+)$", (Path(__file__).parent / "shmem_driver.c").read_text(encoding="ascii"),
                      re.M)}
KINDS = ("FILE", "KERNEL_FILE", "MOUNT_FILE")
# Zones that the driver's device reaches. One of them takes what another has no room for.
LOW = ("DMA", "DMA32")
# All that there is, for a range.
END = (1 << 64) - 1
# What shmem_write_folio() returns for a folio that stays.
STAYS = 0x80000
GET = {name: NUMBERS["GET"] | kind << 12 for kind, name in enumerate(("READ", "NOALLOC", "CACHE", "WRITE"))}


class Call(ctypes.Structure):
    """struct driver_call"""
    _fields_ = [("fd", ctypes.c_int32), ("how", ctypes.c_uint32), ("start", ctypes.c_uint64), ("last", ctypes.c_uint64),
                ("result", ctypes.c_int32), ("state", ctypes.c_uint32), ("order", ctypes.c_uint32), ("byte", ctypes.c_uint32),
                ("version", ctypes.c_uint64), ("name", ctypes.c_char * 16)]

    @property
    def zone(self) -> str:
        return self.name.decode()

    def has(self, state: str) -> bool:
        return bool(self.state & NUMBERS[state])

    @property
    def place(self) -> str:
        return "memory" if self.has("PRESENT") else "swap" if self.has("IN_SWAP") else "nowhere"


def expect(what: str, found: object, *wanted: object) -> None:
    if found not in wanted:
        raise AssertionError(f"{what}: {found}, and not {' or '.join(map(str, wanted))}")


def ask(device: int, name: str, call: Call) -> int:
    """Makes the call; what the driver says of it is in `call` then."""
    return fcntl.ioctl(device, 3 << 30 | ctypes.sizeof(call) << 16 | ord("s") << 8 | NUMBERS[name], call)


class File:
    """A file of the driver's, or one that it is given. `io` is it, too, opened as programs open files: at the descriptor
    that the driver gives nothing can be read from a place of the program's choice.
    """

    def __init__(self, device: int, fd: int, io: int) -> None:
        self.device, self.fd, self.io = device, fd, io

    def call(self, name: str, start: int = 0, **given: int) -> Call:
        call = Call(fd=self.fd, start=start, **given)
        ask(self.device, name, call)
        return call

    def error(self, name: str, start: int = 0, **given: int) -> str:
        """The name of the error, "" for none."""
        try:
            self.call(name, start, **given)
        except OSError as problem:
            return errno.errorcode[problem.errno or 0]
        return ""

    def read(self, index: int, *how: str, fill: int = 0) -> Call:
        return self.call("READ", index, how=sum(NUMBERS[name] for name in how), byte=fill)

    def get(self, index: int, kind: str) -> str:
        """What shmem_get_folio() finds for the purpose."""
        try:
            call = self.call("READ", index, how=GET[kind])
        except OSError as problem:
            return errno.errorcode[problem.errno or 0]
        return f"byte {call.byte}" if call.has("UPTODATE") else "nothing" if not call.has("PRESENT") else "not valid"

    def look(self, index: int) -> Call:
        return self.call("LOOK", index)

    def truncate(self, start: int, last: int) -> None:
        self.call("TRUNCATE", start, last=last)

    def write(self, index: int, *how: str) -> Call:
        return self.call("WRITE", index, how=sum(NUMBERS[name] for name in how))

    def release(self) -> None:
        """Lets go of the folio that the driver has kept."""
        self.call("RELEASE")

    def contents(self) -> bytes:
        return os.pread(self.io, os.fstat(self.fd).st_size, 0)

    def blocks(self) -> int:
        """In pages."""
        return os.fstat(self.fd).st_blocks * 512 // PAGE

    def is_served_by(self) -> str:
        """By what sysfs says: the module has a folder for each mount of its own."""
        of = figures.CONTROL / figures.device(os.fstat(self.fd).st_dev)
        return suite.TYPE if figures.is_of_mount(of) else suite.ORACLE


class Driver:
    """The device, and who is to serve the files that it makes."""

    def __init__(self, served_by: str) -> None:
        self.served_by = served_by
        self.device = os.open(DEVICE, os.O_RDWR)

    def new(self, size: int, kind: str = "FILE", noreserve: bool = False) -> int:
        """The descriptor of a new file."""
        call = Call(how=NUMBERS[kind] | (NUMBERS["NORESERVE"] if noreserve else 0), start=size & END)
        return ask(self.device, "MAKE", call)

    def error(self, size: int, kind: str, noreserve: bool = False) -> str:
        """Of making a file; "" for none."""
        try:
            os.close(self.new(size, kind, noreserve))
        except OSError as problem:
            return errno.errorcode[problem.errno or 0]
        return ""

    @contextlib.contextmanager
    def file(self, size: int, kind: str = "FILE", noreserve: bool = False) -> Iterator[File]:
        """What it makes on a mount of its own stays with tmpfs."""
        with self.given(self.new(size, kind, noreserve)) as file:
            expect(f"{kind} is served by", file.is_served_by(), suite.ORACLE if kind == "MOUNT_FILE" else self.served_by)
            yield file

    @contextlib.contextmanager
    def given(self, fd: int) -> Iterator[File]:
        io = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        file = File(self.device, fd, io)
        try:
            yield file
        finally:
            file.release()
            os.close(io)
            os.close(fd)

    def close(self) -> None:
        os.close(self.device)
