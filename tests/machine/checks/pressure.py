# SPDX-License-Identifier: GPL-2.0
"""Memory becomes short: shared memory of each kind goes to swap, comes back as it was, by touching it and by swapoff."""

import contextlib
import ctypes
import mmap
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import figures
import place
import program
import suite

MIB = 1 << 20
SIZE = 16 * MIB
PAGES = SIZE // mmap.PAGESIZE
CGROUPS = Path("/sys/fs/cgroup")
SWAP = "/dev/disk/by-id/virtio-swap"
# A page each of private memory, as much as the machine has: what is shared and idle has to go.
HOG = """
import mmap, re
total = int(re.search(r"MemTotal: +(\\d+)", open("/proc/meminfo").read())[1]) * 1024 * 9 // 10
memory = mmap.mmap(-1, total, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, total, mmap.PAGESIZE):
    memory[at] = 1
"""


@contextlib.contextmanager
def memfd() -> Iterator[memoryview]:
    file = os.memfd_create("pressure")
    os.ftruncate(file, SIZE)
    with mmap.mmap(file, SIZE) as memory:
        os.close(file)
        yield memory


@contextlib.contextmanager
def anonymous() -> Iterator[memoryview]:
    with mmap.mmap(-1, SIZE) as memory:
        yield memory


@contextlib.contextmanager
def system_v() -> Iterator[memoryview]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(0, ctypes.c_size_t(SIZE), 0o600)
    address = libc.shmat(segment, None, 0)
    if segment < 0 or address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "shmget, shmat")
    libc.shmctl(segment, 0, None)  # IPC_RMID: when it is detached
    try:
        yield (ctypes.c_char * SIZE).from_address(address)
    finally:
        libc.shmdt(ctypes.c_void_p(address))


@contextlib.contextmanager
def file_in(folder: str) -> Iterator[memoryview]:
    path = Path(folder) / "machine-pressure"
    with open(path, "w+b") as file:
        path.unlink()
        file.truncate(SIZE)
        with mmap.mmap(file.fileno(), SIZE) as memory:
            yield memory


KINDS: dict[str, Callable] = {
    "memfd": memfd,
    "anonymous": anonymous,
    "System V": system_v,
    "/dev/shm": lambda: file_in("/dev/shm"),
    "/tmp": lambda: file_in("/tmp"),
}
# As /proc/self/smaps names their mappings.
NAMES = {"memfd": "/memfd:pressure", "anonymous": "/dev/zero", "System V": "/SYSV", "/dev/shm": "/dev/shm/machine-pressure",
         "/tmp": "/tmp/machine-pressure"}


def words(seed: int) -> Iterator[tuple[int, int]]:
    for page in range(PAGES):
        yield page * mmap.PAGESIZE, page * 0x9e3779b97f4a7c15 + seed & (1 << 64) - 1


def fill(memory, seed: int) -> None:
    for at, word in words(seed):
        struct.pack_into("=Q", memory, at, word)


def damage(memory, seed: int) -> str:
    bad = [at for at, word in words(seed) if struct.unpack_from("=Q", memory, at)[0] != word]
    return f"{len(bad)} pages are not what was written, the first at {bad[0]}" if bad else ""


def swapped() -> dict[str, int]:
    """Bytes in swap of each kind's mapping."""
    found, kind = dict.fromkeys(KINDS, 0), None
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        match = place.MAPPING.match(line)
        if match and "-" in line.split(" ")[0]:
            kind = next((name for name, start in NAMES.items() if match[4].startswith(start)), None)
        elif kind and line.startswith("Swap:"):
            found[kind] += int(line.split()[1]) * 1024
    return found


def reclaim() -> None:
    """What the pressure has left, of every process: each cgroup gives what it has but for files on disks."""
    for group in sorted(CGROUPS.glob("*/memory.reclaim")):
        # EAGAIN: it has not as much.
        with contextlib.suppress(BlockingIOError):
            group.write_text("4G swappiness=max", encoding="ascii")


def checks():
    if not figures.meminfo()["SwapTotal"]:
        program.call("swapon", SWAP)
    with contextlib.ExitStack() as stack:
        memories = {name: stack.enter_context(kind()) for name, kind in KINDS.items()}
        for seed, memory in enumerate(memories.values()):
            fill(memory, seed)
        hog = subprocess.run([sys.executable, "-c", HOG], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                             timeout=200 * suite.PATIENCE)
        yield "a task takes nearly all memory and gets it", f"status {hog.returncode}\n{hog.stdout}" if hog.returncode else ""
        out = swapped()
        yield "that brings shared memory to swap", "" if sum(out.values()) >= SIZE else str(out)
        reclaim()
        for name, size in swapped().items():
            yield f"{name}: all is in swap", "" if size >= SIZE * 95 // 100 else f"{size} bytes of {SIZE}"
        for seed, (name, memory) in enumerate(memories.items()):
            yield f"{name}: comes back by touching it", damage(memory, seed)
        reclaim()
        program.call("swapoff", SWAP)
        yield "swapoff takes all out of swap", "" if figures.meminfo()["SwapTotal"] == 0 else "there is still swap"
        for seed, (name, memory) in enumerate(memories.items()):
            yield f"{name}: is as it was after swapoff", damage(memory, seed)
        program.call("swapon", SWAP)
