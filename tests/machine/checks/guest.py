# SPDX-License-Identifier: GPL-2.0
"""A guest inside of the machine, whose memory is a memfd or a file in /dev/shm: QEMU under software emulation."""

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import place
import program
import suite

HERE = Path(__file__).resolve().parent
SIZE = "64M"
# Emulation within emulation.
SECONDS = 120 * suite.PATIENCE
BACKENDS = {
    "memory-backend-memfd,share=on": "memory-backend-memfd,id=memory,share=on,seal=on",
    "memory-backend-file on /dev/shm": "memory-backend-file,id=memory,share=on,mem-path=/dev/shm",
    # QEMU maps a memfd at any page, which no huge page fits.
    "memory-backend-file that advises huge pages": "memory-backend-file,id=memory,share=on,mem-path=/dev/shm,align=2M",
}
MEMORY = re.compile(r"/memfd:memory-backend-memfd|/dev/shm/qemu_back_mem")


def boot_sector(folder: Path) -> Path:
    made = folder / "boot"
    program.call("gcc", "-m32", "-c", HERE / "guest.S", "-o", folder / "guest.o")
    program.call("ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", folder / "guest.o", "-o", made)
    return made


def memory_of(process: int) -> tuple[str, int, str]:
    """The device of the guest's memory, how many kB of it are mapped by PMD, and all that is said of it."""
    device, huge, text, inside = "", 0, [], False
    for line in Path(f"/proc/{process}/smaps").read_text(encoding="utf-8").splitlines():
        match = place.MAPPING.match(line)
        if match and "-" in line.split(" ")[0]:
            inside = bool(MEMORY.match(match[4]))
            if inside:
                device = f"{int(match[2], 16)}:{int(match[3], 16)}"
        if inside:
            text.append(line)
            huge += int(line.split()[1]) if line.startswith("ShmemPmdMapped:") else 0
    return device, huge, "\n".join(text)


def guest(backend: str, folder: Path, disk: Path) -> tuple[str, str, int, str]:
    """What the guest says, and memory_of() it."""
    said = folder / "said"
    said.unlink(missing_ok=True)
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc,memory-backend=memory",
               "-accel", "tcg", "-m", SIZE, "-object", f"{backend},size={SIZE}", "-drive", f"file={disk},format=raw,if=ide",
               "-debugcon", f"file:{said}", "-monitor", "stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        end = time.monotonic() + SECONDS
        while child.poll() is None and time.monotonic() < end and not (said.is_file() and said.stat().st_size):
            time.sleep(0.2)
        device, huge, text = memory_of(child.pid) if child.poll() is None else ("", 0, "it has ended")
        output, _ = child.communicate("quit\n", timeout=SECONDS)
    return said.read_text(encoding="ascii") if said.is_file() else output, device, huge, text


def checks():
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        disk = boot_sector(folder)
        shutil.copy(disk, "/dev/shm/machine-disk")
        disk = Path("/dev/shm/machine-disk")
        for what, backend in BACKENDS.items():
            advises = what.endswith("huge pages")
            if advises:
                program.call("mount", "-o", "remount,huge=advise", "/dev/shm")
            try:
                said, device, huge, text = guest(backend, folder, disk)
            finally:
                program.call("mount", "-o", "remount,huge=never", "/dev/shm")
            yield f"{what}: a guest works", "" if said == "G" else f"it says: {said}"
            yield f"{what}: its memory is rtmpfs's", "" if device in place.devices() else f"it is on '{device}'"
            if advises:
                yield f"{what}: it has them", "" if huge else text
        disk.unlink()
