# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading the module under test, and what must not be left of it."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import figures
import suite

# Counters of memory are gathered from the processors with a delay and in batches; a leak worth the name is larger.
SLACK_KB = 1024
SETTLE_SECONDS = 60


def path() -> Path:
    """The module's file; no type that is part of the kernel has one."""
    return Path(os.environ.get("RTMPFS_MODULE", ""))


def why_not() -> str:
    """Why there is nothing to unload here, or nothing."""
    if not Path(f"/sys/module/{suite.TYPE}/initstate").exists():
        return f"{suite.TYPE} is no loaded module here"
    if not path().is_file():
        return "RTMPFS_MODULE does not name the module's file"
    return ""


def mounts() -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[2] == suite.TYPE]


def rmmod() -> subprocess.CompletedProcess:
    return subprocess.run(["rmmod", suite.TYPE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def insmod() -> None:
    suite.call("insmod", path())


@contextlib.contextmanager
def unmounted():
    """No mount of the type: those of the machine itself are taken away, and made again afterwards."""
    standing = mounts()
    for where in reversed(standing):
        suite.call("umount", where)
    try:
        yield
    finally:
        if not Path(f"/sys/module/{suite.TYPE}").exists():
            insmod()
        for where in standing:
            suite.call("mount", "-t", suite.TYPE, suite.TYPE, where)


def memory() -> dict[str, int]:
    """The figures of /proc/meminfo, in KiB, that a file system in memory moves."""
    info = figures.meminfo()
    return {name: info[name] for name in ("Shmem", "Mapped", "Percpu")}


def grown(before: dict[str, int]) -> list[str]:
    """What is still more than before, once the kernel has had time to free what it frees late."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        now = memory()
        more = [f"{name} was {before[name]} kB and is {now[name]} kB" for name in before
                if now[name] > before[name] + SLACK_KB]
        if not more or time.monotonic() > end:
            return more
        time.sleep(0.2)


def leftovers() -> list[str]:
    """What can still be seen of an unloaded module."""
    left = []
    if suite.TYPE in Path("/proc/filesystems").read_text(encoding="utf-8").split():
        left.append(f"/proc/filesystems names {suite.TYPE}")
    for folder in ("/sys/module", "/sys/fs", "/sys/kernel/slab", "/sys/kernel/tracing/events", "/sys/kernel/debug"):
        with contextlib.suppress(FileNotFoundError):
            left += [f"{folder}/{name}" for name in os.listdir(folder) if name.startswith(suite.TYPE)]
    with contextlib.suppress(FileNotFoundError):
        slabs = Path("/proc/slabinfo").read_text(encoding="utf-8").splitlines()
        left += [f"/proc/slabinfo: {line}" for line in slabs if line.startswith(suite.TYPE)]
    return left


def refused(what: str) -> None:
    """rmmod must say that the module is in use."""
    done = rmmod()
    if done.returncode == 0:
        insmod()
        raise AssertionError(f"rmmod succeeds {what}")
    if "in use" not in done.stdout:
        raise AssertionError(f"rmmod {what}: {done.stdout.strip()}")


def unloads() -> None:
    done = rmmod()
    if done.returncode != 0:
        raise AssertionError(f"rmmod of an unused module: {done.stdout.strip()}")
    nothing_left()


def unloads_soon(after: str) -> None:
    """The last reference is dropped by a task of its own, soon after."""
    end = time.monotonic() + SETTLE_SECONDS
    while rmmod().returncode != 0:
        if time.monotonic() > end:
            raise AssertionError(f"rmmod is still refused after {after} went")
        time.sleep(0.1)
    nothing_left()


def nothing_left() -> None:
    left = leftovers()
    if left:
        raise AssertionError("\n".join(left))
