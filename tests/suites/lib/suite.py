# SPDX-License-Identifier: GPL-2.0
"""What the suites share: outcomes, TAP, the comparison with tmpfs, mounts, the kernel log, programs with a time limit.

Environment: RTMPFS_TYPE is the file system under test (rtmpfs unless set), RTMPFS_BIN the folder of built
programs, RTMPFS_SCRATCH a writable folder, RTMPFS_KERNEL the flavour of the kernel (release or debug), RTMPFS_LACKS the
options that it does not have, of those that it can do without.
"""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, NoReturn, Optional, Sequence

ORACLE = "tmpfs"
TYPE = os.environ.get("RTMPFS_TYPE", "rtmpfs")
# Only sub-tests with this in their name are reported.
WANTED = sys.argv[1] if len(sys.argv) > 1 else ""
DEBUG = os.environ.get("RTMPFS_KERNEL", "release") == "debug"
LACKS = os.environ.get("RTMPFS_LACKS", "").split()
# How many times as long the debug kernel may take: limits, which end what hangs, are what the release kernel never takes.
PATIENCE = 2 if DEBUG else 1
# Seconds for what the kernel puts off; only a test that fails takes them.
LATE = 60


def die(message: str) -> NoReturn:
    """Ends the suite before its plan was printed, which a TAP reader counts as a failure."""
    print(f"Bail out! {message}", flush=True)
    sys.exit(2)


def folder(variable: str, default: Optional[str] = None) -> Path:
    value = os.environ.get(variable, default)
    if not value:
        die(f"{variable} is not set: it names a folder this suite needs")
    path = Path(value)
    if not path.is_dir():
        die(f"{variable}={value} is not a folder")
    return path


def binary(name: str) -> Path:
    """A program that tests/suites/build or the cargo workspace installed."""
    base = folder("RTMPFS_BIN")
    for path in (base / name / "bin" / name, base / name):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    die(f"no program {name} in {base}: run tests/suites/build first")


# --- outcomes and TAP ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    kind: str  # "ok", "fail" or "skip"
    why: str = ""
    # Nothing to compare with tmpfs: it was the test, and not the file system, that did not work or has no place.
    final: bool = False


OK = Outcome("ok")


def fail(why: str) -> Outcome:
    return Outcome("fail", why)


def broken(why: str) -> Outcome:
    """The test itself came to nothing, which is a failure even if it does so on every type."""
    return Outcome("fail", why, True)


def skip(why: str, final: bool = False) -> Outcome:
    return Outcome("skip", why, final)


def note(text: str) -> None:
    """What is no result."""
    print(f"# {text}", flush=True)


class Tap:
    """Prints results as they come and the plan at the end, so that a suite which dies early has none."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0

    def result(self, name: str, outcome: Outcome, details: Sequence[str] = ()) -> None:
        if WANTED not in name:
            return
        self.count += 1
        name = " ".join(name.split()).replace("#", "_")
        if outcome.kind == "fail":
            self.failed += 1
            print(f"not ok {self.count} - {name}")
            details = [*outcome.why.splitlines(), *details]
        elif outcome.kind == "skip":
            print(f"ok {self.count} - {name} # SKIP {' '.join(outcome.why.split())}")
        else:
            print(f"ok {self.count} - {name}")
        for line in details:
            print(f"#   {line}")
        sys.stdout.flush()

    def done(self) -> None:
        print(f"1..{self.count}", flush=True)
        if self.count == 0 and not WANTED:
            die("the suite ran no test")
        sys.exit(1 if self.failed else 0)


# --- the comparison --------------------------------------------------------------------------------------------

Results = Mapping[str, Outcome]
Runner = Callable[[str, Optional[Sequence[str]]], Results]


def gist(text: str) -> frozenset[str]:
    """The part of a message by which two failures are the same: no addresses, numbers of processes or paths, and
    each line once, however often a stressor came to it."""
    text = text.replace(TYPE, "FSTYPE").replace(ORACLE, "FSTYPE")
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    text = re.sub(r"(/[\w.+-]+){2,}", "PATH", text)
    text = re.sub(r"\[\d+\]|\d{3,}", "N", text)
    return frozenset(text.splitlines())


def known_differences(name: str) -> Mapping[str, str]:
    """The rows of known-differences for one suite: the sub-test, and why it differs from tmpfs for now."""
    table = Path(__file__).resolve().parent.parent / "known-differences"
    rows = [line for line in table.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    fields = [[field.strip() for field in row.split("|")] for row in rows]
    for row, columns in zip(rows, fields):
        if len(columns) != 3 or not all(columns):
            die(f"{table}: '{row}' is not 'suite | test | reason'")
    return {test: why for suite, test, why in fields if suite == name}


def compare(tap: Tap, run: Runner) -> None:
    """Runs everything on the type under test and whatever was not plainly ok on tmpfs as well.

    run(type, names) runs the named sub-tests (all of them for None) on a fresh mount of the type.
    A sub-test that fails in the same way on tmpfs says nothing about the type under test.
    """
    known = known_differences(Path(sys.argv[0]).resolve().parent.name)
    mine = run(TYPE, None)
    unclear = [name for name, o in mine.items() if o.kind != "ok" and not o.final]
    theirs: Results = run(ORACLE, unclear) if unclear else {}
    if len(unclear) == len(mine) and not any(o.kind == "ok" for o in theirs.values()):
        tap.result("anything passes at all", fail(f"not one of {len(mine)} tests passes on {TYPE} or on {ORACLE}"))
    for name, outcome in mine.items():
        if name not in unclear:
            tap.result(name, outcome)
            if name in known and outcome.kind == "ok":
                note(f"{name} is in known-differences and passes: take its row out")
            continue
        other = theirs.get(name, fail("did not run at all"))
        first = outcome.why.splitlines()[0] if outcome.why else "no message"
        if outcome.kind == other.kind and gist(outcome.why) == gist(other.why):
            verb = "fails" if outcome.kind == "fail" else "skipped"
            tap.result(name, skip(f"{verb} on {ORACLE} too: {first}"))
            continue
        if name in known:
            tap.result(name, skip(f"known difference from {ORACLE}: {known[name]} ({first})"))
            continue
        verdict = {"ok": "passes there", "skip": "is skipped there: ", "fail": "fails there otherwise: "}[other.kind]
        tap.result(
            name,
            fail(f"on {TYPE}, {outcome.kind}: {outcome.why or 'no message'}"),
            f"on {ORACLE} the same test {verdict}{'' if other.kind == 'ok' else other.why}".splitlines(),
        )


# --- mounts ----------------------------------------------------------------------------------------------------


def call(*command: object, **kwargs) -> str:
    """Runs a command that has to succeed and returns what it says; where it fails, that is the exception's message."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stdout.strip()}")
    return done.stdout


@contextlib.contextmanager
def mounted(fstype: str, options: str = "") -> Iterator[Path]:
    """A fresh mount of the type; whatever keeps it busy at the end makes the umount, and so the suite, fail."""
    where = Path(tempfile.mkdtemp(prefix=f"{fstype}.", dir=os.environ.get("TMPDIR", "/tmp")))
    try:
        call("mount", "-t", fstype, *(["-o", options] if options else []), "suite", where)
        try:
            yield where
        finally:
            call("umount", where)
    finally:
        where.rmdir()


def free(mount: Path | str) -> tuple[int, int]:
    """Blocks and inodes."""
    of = os.statvfs(mount)
    return of.f_bfree, of.f_ffree


def settled(look: Callable[[], Any], wanted: Any) -> Any:
    """What `look` says when that is what is wanted, or in the end: the kernel, or a process that was killed, may be late."""
    end = time.monotonic() + LATE
    while (said := look()) != wanted and time.monotonic() < end:
        time.sleep(0.1)
    return said


def remove_group(path: Path) -> None:
    """Removes a cgroup whose processes have ended: the last of them may count for a moment still."""
    end = time.monotonic() + LATE
    while True:
        try:
            path.rmdir()
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
        time.sleep(0.1)


@contextlib.contextmanager
def memory_group(path: Path) -> Iterator[None]:
    """A new memory cgroup, which has no process at first and in the end."""
    (path.parent / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
    path.mkdir()
    try:
        yield
    finally:
        remove_group(path)


# --- the kernel log --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def expected(ere: str) -> Iterator[None]:
    """Tells the reader of the kernel log (scripts/vm/check-log) which messages are provoked on purpose."""
    kmsg = Path("/dev/kmsg")
    kmsg.write_text(f"rtmpfs-vm: expect begins: {ere}\n", encoding="ascii")
    try:
        yield
    finally:
        kmsg.write_text("rtmpfs-vm: expect ends\n", encoding="ascii")


# --- programs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    status: int
    output: str
    limit: float
    expired: bool

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.output.splitlines()[-lines:])

    def end(self) -> str:
        """How it ended, for a message: its last lines, too."""
        return f"{f'no end within {self.limit:.0f} s' if self.expired else f'status {self.status}'}\n{self.tail()}"

    def verdict(self) -> Outcome:
        """What became of a program that has only to come to its end."""
        return broken(self.end()) if self.expired or self.status else OK


def run(command: Sequence[object], seconds: float, **kwargs) -> Ran:
    """Runs a program to its end, or kills it with all its children after so many seconds, times PATIENCE."""
    limit = seconds * PATIENCE
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True, **kwargs)
        expired = False
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            expired = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        out.seek(0)
        return Ran(child.returncode, out.read(), limit, expired)
