# SPDX-License-Identifier: GPL-2.0
"""One side of the comparison: side.py FILTER TYPE. In a mount namespace of its own, /tmp, /run and /dev/shm are
mounts of the type, with the options that distributions give them; programs work there. A line a step on standard output.
"""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import suite  # noqa: E402

import archive  # noqa: E402
import package  # noqa: E402
import postgresql  # noqa: E402
import quota  # noqa: E402
import sqlite  # noqa: E402
from step import Step  # noqa: E402

PARTS = {"archive": archive.steps, "package": package.steps, "quota": quota.steps, "sqlite": sqlite.steps,
         "postgresql": lambda: postgresql.steps(sys.argv[2])}
MOUNTS = {
    "/tmp": "mode=1777,nosuid,nodev,size=1g,nr_inodes=1m",
    "/run": "mode=755,nosuid,nodev,size=20%,nr_inodes=800k",
    "/dev/shm": "mode=1777,nosuid,nodev",
}


def say(result: Step) -> None:
    print(result.line(), flush=True)


def wrong_mounts(fstype: str) -> list[str]:
    """Which of the folders are not what the suite is about, as the kernel has it."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    # The last mount on a folder is what one sees there.
    types = {line.split()[4]: line.split(" - ")[1].split()[0] for line in lines}
    return [f"{where} is {types.get(where, 'no mount')}" for where in MOUNTS if types.get(where) != fstype]


def usage() -> dict[str, tuple[int, int]]:
    return {where: suite.free(where) for where in MOUNTS}


def empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def main() -> None:
    fstype = sys.argv[2]
    os.umask(0o022)
    for where, options in MOUNTS.items():
        Path(where).mkdir(exist_ok=True)
        suite.call("mount", "-t", fstype, "-o", options, "suite", where)
    wrong = wrong_mounts(fstype)
    say(Step(f"mounts: {' '.join(MOUNTS)}", suite.broken("\n".join(wrong)) if wrong else suite.OK))
    # mount(8) keeps a file in /run.
    for where in MOUNTS:
        empty(Path(where))
    before = usage()
    wanted = [name for name in PARTS if name in suite.WANTED] or PARTS
    for name in wanted:
        for result in PARTS[name]():
            say(Step(f"{name}: {result.name}", result.outcome, result.product, result.note))
        for where in MOUNTS:
            empty(Path(where))
        after = suite.settled(usage, before)
        say(Step(f"{name}: all deleted, all space is free again", suite.OK if after == before else suite.broken(
            f"free blocks and inodes were {before} and are {after}")))
    for where in reversed(MOUNTS):
        suite.call("umount", where)
    say(Step("umount", suite.OK))


main()
