#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Usage: workloads.py REPETITIONS TYPE... Does the same work on fresh mounts of each type (TYPE or TYPE,OPTIONS), and
prints what each part of it took, in millions of instructions where the clock of the machine counts those.

All instructions count: those of programs, of the kernel for them, and of the file system. A column that needs none of
what the file system does would show how far a ratio can go; ramfs comes closest to one.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

DATA = Path(os.environ["RTMPFS_BIN"]) / "realjob"
JOB = Path(os.environ["RTMPFS_SRC"]) / "tests/suites/realjob/job"
PLACE = Path("/tmp/measured")
GIT = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0", "-c", "core.compression=1"]
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "TMPDIR": str(PLACE), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
SQL = """
CREATE TABLE t(a INTEGER, b INTEGER, c TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
    INSERT INTO t SELECT i, i * 7919 % 30011, printf('row %d of a table', i) FROM n;
CREATE INDEX of_b ON t(b);
CREATE INDEX of_c ON t(c);
UPDATE t SET b = b + 1 WHERE a % 3 = 0;
DELETE FROM t WHERE b % 5 = 0;
SELECT count(*), sum(b), max(c) FROM t;
VACUUM;
""" + "".join(f"INSERT INTO t VALUES({n}, {n}, 'a row of its own');\n" for n in range(500))

# In this order, each in the folder of the unpacked tree.
PARTS = {
    "unpack a source tree": ["tar", "-xf", DATA / "tree.tar"],
    "build a program, and use it": ["sh", "-c", '"$0" >/dev/null 2>&1', JOB],
    "git init, add, commit": ["sh", "-c", '"$@" init -q && "$@" add --all && "$@" commit -q -m all', "sh", *GIT],
    "git status": [*GIT, "status", "--porcelain"],
    "git clone": [*GIT, "clone", "-q", "--no-hardlinks", ".", "../clone"],
    "SQLite: a table, indices, 500 transactions": ["sqlite3", "db"],
    "copy the tree": ["cp", "-a", ".", "../copy"],
    "rm -rf of all": ["rm", "-rf", "../tree", "../clone", "../copy"],
}


def work(label: str) -> dict[str, int]:
    """Nanoseconds for each part, on a mount of its own."""
    fstype, _, options = label.partition(",")
    PLACE.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", fstype, *(["-o", options] if options else []), fstype, PLACE], check=True)
    tree = PLACE / "tree"
    tree.mkdir()
    taken = {}
    for part, command in PARTS.items():
        # Work that the kernel has put off is not this part's.
        time.sleep(0.1)
        begin = time.monotonic_ns()
        subprocess.run(command, cwd=tree, env=ENVIRONMENT, input=SQL if "sqlite3" in command else "", text=True,
                       stdout=subprocess.DEVNULL, check=True)
        taken[part] = time.monotonic_ns() - begin
    subprocess.run(["umount", PLACE], check=True)
    return taken


def main() -> None:
    repetitions, types = int(sys.argv[1]), sys.argv[2:]
    # Programs come from a disk the first time.
    work(types[0])
    taken = {label: [work(label) for _ in range(repetitions)] for label in types}
    others = [label for label in types if label != types[0]]
    print("| 10^6 instructions | " + " | ".join(types) + " | " + " | ".join(f"{label}/{types[0]}" for label in others) + " |")
    print("|---|" + "---:|" * (len(types) + len(others)))
    for part in PARTS:
        best = {label: min(run[part] for run in taken[label]) for label in types}
        cells = [f"{best[label] / 1e6:.1f}" for label in types]
        cells += [f"{best[label] / best[types[0]]:.3f}" for label in others]
        print(f"| {part} | " + " | ".join(cells) + " |")


main()
