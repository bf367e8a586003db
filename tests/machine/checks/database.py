# SPDX-License-Identifier: GPL-2.0
"""PostgreSQL with each kind of shared memory that it knows: the server of the system, whose tasks work in parallel, and
all of the server's own regression tests where the payload has them.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pg_regress
import place
import program
import suite

SHARED = ("mmap", "sysv")
DYNAMIC = ("posix", "sysv", "mmap")
SYSTEMS = "postgresql@17-main"
# Enough rows, and a plan for two workers, who hand over in the server's dynamic shared memory.
PARALLEL = """
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
set max_parallel_workers_per_gather = 2;
select count(*), sum(n) from numbers;
"""
ROWS = 20000

PAYLOAD = Path("/opt/programs")
# The debug kernel has the time for some of the tests only.
SHORT = Path("/opt/src/tests/suites/programs/short_schedule")
SCHEDULE = SHORT if suite.DEBUG else PAYLOAD / "regress/parallel_schedule"
# For all of them, once.
SECONDS = 1800
SOCKETS = Path("/run/machine-postgresql")
# The server does not work for root.
AS_POSTGRES = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups")


def as_postgres(*command: object, **kwargs) -> str:
    return program.call(*AS_POSTGRES, *command, **kwargs)


def query(text: str) -> str:
    return as_postgres("psql", "-X", "-A", "-t", "-q", "-c", text, "postgres", cwd="/").strip()


def set_up(shared: str, dynamic: str) -> None:
    query(f"alter system set shared_memory_type = {shared}")
    query(f"alter system set dynamic_shared_memory_type = {dynamic}")
    program.call("systemctl", "restart", SYSTEMS)


def where() -> str:
    """What of the shared memory of the server's processes is not on rtmpfs."""
    found = place.Found()
    for line in program.call("pgrep", "-u", "postgres").split():
        try:
            place.maps(Path("/proc") / line, found)
        except FileNotFoundError:
            continue
    return place.elsewhere(found.maps)


def of_the_system():
    query(f"create table numbers as select n from generate_series(1, {ROWS}) n")
    query("analyze numbers")
    right = f"{ROWS}|{ROWS * (ROWS + 1) // 2}"
    for shared in SHARED:
        for dynamic in DYNAMIC:
            set_up(shared, dynamic)
            said = query(PARALLEL)
            plan = query(PARALLEL.replace("select", "explain (analyze, costs off) select"))
            wrong = "" if said == right else f"it says {said}, and not {right}"
            if not re.search(r"Workers Launched: [12]", plan):
                wrong += f"\nno worker was started:\n{plan}"
            yield f"the system's server, {shared} and {dynamic}: tasks work in parallel", wrong
            yield f"the system's server, {shared} and {dynamic}: its memory is rtmpfs's", where()
    set_up("mmap", "posix")
    query("drop table numbers")


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(PAYLOAD / "postgresql/lib/x86_64-linux-gnu"), "HOME": str(home),
            "TMPDIR": str(SOCKETS), "PGHOST": str(SOCKETS), "PGPORT": "5499", "PGCTLTIMEOUT": "120"}


def control(home: Path, *arguments: object) -> str:
    """Starts or stops the server; what it says where it did not."""
    with open(home / "control.log", "w+b") as log:
        # The server keeps what it inherits open: no pipe.
        done = subprocess.run([*AS_POSTGRES, str(PAYLOAD / "postgresql/bin/pg_ctl"), "-D", str(home / "data"), "-w",
                               "-l", str(home / "server.log"), *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(home), cwd=home, check=False)
        log.seek(0)
        return "" if done.returncode == 0 else log.read().decode(errors="replace")


def regress(home: Path, output: Path) -> str:
    """All of the tests, with the server that runs; what is wrong."""
    output.mkdir()
    shutil.chown(output, "postgres", "postgres")
    ran = suite.run([*AS_POSTGRES, PAYLOAD / "bin/pg_regress", f"--bindir={PAYLOAD}/postgresql/bin", f"--host={SOCKETS}",
                     "--port=5499", "--user=postgres", f"--dlpath={PAYLOAD}/regress", f"--inputdir={PAYLOAD}/regress",
                     f"--outputdir={output}", f"--schedule={SCHEDULE}"],
                    SECONDS, env=environment(home), cwd=output)
    found, wanted = pg_regress.verdicts(ran.output), pg_regress.scheduled(SCHEDULE)
    bad = [f"{name}: {found.get(name, 'did not run')}" for name in wanted if found.get(name) != "ok"]
    if not wanted:
        bad.append(f"{SCHEDULE} names no test")
    if ran.expired or ran.status:
        bad.append(ran.verdict().why)
    differences = output / "regression.diffs"
    if bad and differences.is_file():
        bad += differences.read_text(errors="replace").splitlines()[:40]
    return "\n".join(bad)


def with_a_server(home: Path, shared: str, dynamic: str) -> str:
    """The tests, with a server that has these; what is wrong."""
    wrong = control(home, "-o", f"-c shared_memory_type={shared} -c dynamic_shared_memory_type={dynamic} -c jit=off -c fsync=off "
                    f"-c full_page_writes=off -c synchronous_commit=off -k {SOCKETS} -c listen_addresses= -c max_wal_size=256MB",
                    "start")
    if wrong:
        return wrong
    try:
        wrong = regress(home, home / f"{shared}-{dynamic}") or where()
    finally:
        wrong += control(home, "-m", "fast", "stop")
    return "\n".join(filter(None, [wrong, pg_regress.trouble(home / "server.log")]))


def of_its_own():
    SOCKETS.mkdir()
    # The machine's tmpfs, which is rtmpfs: hence the data are there, too.
    with suite.mounted("tmpfs", "size=1536m") as home:
        yield "the data are on rtmpfs", "" if place.is_ours(home) else f"{home} is tmpfs's"
        for folder in (home, SOCKETS):
            shutil.chown(folder, "postgres", "postgres")
        as_postgres(PAYLOAD / "postgresql/bin/initdb", "-D", home / "data", "-A", "trust", "-U", "postgres", "-N",
                    "-E", "UTF8", "--no-locale", env=environment(home), cwd=home)
        for shared in SHARED:
            for dynamic in DYNAMIC:
                begin = time.monotonic()
                wrong = with_a_server(home, shared, dynamic)
                yield f"all regression tests, {shared} and {dynamic} ({time.monotonic() - begin:.0f} s)", wrong
    shutil.rmtree(SOCKETS)


def checks():
    yield from of_the_system()
    if PAYLOAD.is_dir():
        yield from of_its_own()
