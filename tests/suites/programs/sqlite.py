# SPDX-License-Identifier: GPL-2.0
"""SQLite's own workload, speedtest1, with a rollback journal and with a write-ahead log, whose index all processes
share through a mapping; and several processes that write into one database.
"""

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Iterator

import suite
from step import Step, timed

HOME = Path("/tmp/sqlite")
SECONDS = 240
# The size that speedtest1 counts its statements by; 100 is its own choice.
SIZE = 2 if suite.DEBUG else 10
WRITERS = 3
ROWS = 20 if suite.DEBUG else 100

# What a run is called, its journal mode, and what more it is told.
RUNS = (
    ("a rollback journal", "delete", []),
    ("a write-ahead log", "wal", []),
    ("a write-ahead log and a mapped database", "wal", ["--mmap", str(64 << 20)]),
)


def sqlite(database: Path, *statements: str) -> str:
    ran = suite.run(["sqlite3", "-bail", database, *statements], SECONDS)
    if ran.verdict() != suite.OK:
        raise RuntimeError(f"sqlite3 {database} {' '.join(statements)}: {ran.verdict().why}")
    return ran.output


def sound(database: Path, mode: str) -> str:
    """The contents as statements, of a database that is whole and has the journal mode."""
    check = sqlite(database, "PRAGMA integrity_check", "PRAGMA foreign_key_check", "PRAGMA journal_mode").split()
    if check != ["ok", mode]:
        raise ValueError(f"integrity_check and journal_mode say {check}")
    return sqlite(database, ".dump")


def speedtest(mode, more):
    database = HOME / "speedtest.db"
    ran = suite.run([suite.binary("programs/bin/speedtest1"), "--verify", "--journal", mode, "--size", SIZE, *more, database], SECONDS)
    if ran.verdict() != suite.OK:
        return ran.verdict(), None
    hashes = re.findall(r"^.*[Hh]ash.*$", ran.output, re.MULTILINE)
    if not hashes:
        return suite.broken(f"speedtest1 prints no hash of what it read\n{ran.tail()}"), None
    dump = sound(database, mode)
    tables = dump.count("CREATE TABLE")
    if not tables:
        return suite.broken("the database has no table"), None
    return suite.OK, "\n".join([*hashes, f"{tables} tables, contents {hashlib.sha256(dump.encode()).hexdigest()}"])


def writers():
    """Each process writes its rows one transaction at a time, and reads while others write."""
    database = HOME / "writers.db"
    sqlite(database, "PRAGMA journal_mode=wal", "CREATE TABLE t (who INTEGER, number INTEGER, PRIMARY KEY (who, number))")
    children = []
    for who in range(WRITERS):
        script = [".timeout 120000", *(f"INSERT INTO t VALUES ({who}, {number}); SELECT count(*) > 0 FROM t;"
                                       for number in range(ROWS))]
        children.append(subprocess.Popen(["timeout", str(SECONDS), "sqlite3", "-bail", str(database)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        children[-1].stdin.write("\n".join(script) + "\n")
        children[-1].stdin.close()
    for child in children:
        said = child.stdout.read()
        if child.wait() != 0 or said.split() != ["1"] * ROWS:
            raise RuntimeError(f"a writer ended with status {child.returncode} and said {said[-500:]}")
    # Who came first is a matter of luck.
    lines = sorted(sound(database, "wal").splitlines())
    rows = sum(line.startswith("INSERT") for line in lines)
    if rows != WRITERS * ROWS:
        return suite.broken(f"{rows} rows instead of {WRITERS * ROWS}"), None
    return suite.OK, "\n".join(lines)


def steps() -> Iterator[Step]:
    for what, mode, more in RUNS:
        HOME.mkdir(exist_ok=True)
        yield timed(f"speedtest1 with {what}", lambda mode=mode, more=more: speedtest(mode, more))
        for file in HOME.iterdir():
            file.unlink()
    yield timed(f"{WRITERS} processes write {ROWS} rows each through a write-ahead log", writers)
