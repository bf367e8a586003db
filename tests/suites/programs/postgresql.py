# SPDX-License-Identifier: GPL-2.0
"""PostgreSQL's own regression tests, by its own program: the database is in /tmp, the sockets are in /run, and the
memory that its parallel workers share is in /dev/shm.
"""

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Iterator

import pg_regress
import suite
from step import Step, timed

HERE = Path(__file__).resolve().parent
HOME = Path("/tmp/postgresql")
SOCKETS = Path("/run/postgresql")
SHARED = Path("/dev/shm")
# The server does not work for root.
USER, GROUP = "nobody", "nogroup"
SECONDS = 2400
SETTINGS = """\
dynamic_shared_memory_type = posix
jit = off
max_wal_size = 256MB
log_line_prefix = '%m [%p] %b %q%a '
"""


def programs() -> Path:
    return suite.folder("RTMPFS_BIN") / "programs"


def schedule(fstype: str) -> Path:
    """PostgreSQL knows what must come out of each of its tests: on the other type they show that they can work here."""
    short = suite.DEBUG or suite.LACKS or fstype != suite.TYPE
    return HERE / "short_schedule" if short else programs() / "regress" / "parallel_schedule"


class Watch:
    """The most segments of shared memory that were there at one time."""

    def __init__(self) -> None:
        self.most = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self) -> None:
        while not self.over.wait(0.2):
            self.most = max(self.most, len(list(SHARED.glob("PostgreSQL.*"))))

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()


def regress(tests: Path):
    base = programs()
    for folder in (HOME, SOCKETS):
        folder.mkdir()
        shutil.chown(folder, USER, GROUP)
    settings = HOME / "settings.conf"
    settings.write_text(SETTINGS, encoding="ascii")
    return suite.run(
        ["setpriv", "--reuid", USER, "--regid", GROUP, "--clear-groups",
         base / "bin" / "pg_regress", f"--temp-instance={HOME}/instance", f"--temp-config={settings}",
         f"--bindir={base}/postgresql/bin", f"--dlpath={base}/regress", f"--inputdir={base}/regress",
         f"--outputdir={HOME}", f"--schedule={tests}"],
        SECONDS, cwd=HOME,
        env={**os.environ, "LD_LIBRARY_PATH": str(base / "postgresql/lib/x86_64-linux-gnu"), "TMPDIR": str(SOCKETS), "HOME": str(HOME),
             # How long the server may take to start.
             "PGCTLTIMEOUT": "300"})


def difference(name: str) -> str:
    """What pg_regress found wrong in one test."""
    file = HOME / "regression.diffs"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    parts = [part for part in text.split("diff -U3 ") if f"/results/{name}.out" in part.split("\n", 1)[0]]
    return "\n".join(parts[0].splitlines()[:40]) if parts else "no difference is noted"


def steps(fstype: str) -> Iterator[Step]:
    begin = time.monotonic()
    tests = schedule(fstype)
    with Watch() as watch:
        ran = regress(tests)
    took = f"{time.monotonic() - begin:.1f} s"
    wanted = pg_regress.scheduled(tests)
    found = pg_regress.verdicts(ran.output)
    for name in wanted:
        verdict = found.get(name, "did not run")
        yield Step(name, suite.OK if verdict == "ok" else suite.broken(f"{verdict}\n{difference(name)}"), verdict)
    outcome = ran.verdict() if wanted else suite.broken(f"{tests} names no test")
    yield Step(f"pg_regress, {len(wanted)} tests", outcome, note=took)
    log = HOME / "log" / "postmaster.log"

    def trouble():
        said = pg_regress.trouble(log)
        return (suite.broken(said) if said else suite.OK), None

    def shared():
        left = sorted(os.listdir(SHARED))
        if watch.most < 2:
            return suite.broken(f"never more than {watch.most} segments of shared memory in {SHARED}"), None
        return (suite.broken(f"left in {SHARED}: {left}") if left else suite.OK), None

    yield timed("the server had no trouble with its files", trouble)
    yield timed(f"the workers shared memory in {SHARED} and left none", shared)
