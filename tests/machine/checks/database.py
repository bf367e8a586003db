# SPDX-License-Identifier: GPL-2.0
"""PostgreSQL with each kind of shared memory that it knows: the server of the system, whose tasks work in parallel, and
the server's own regression tests where the payload has them.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Sequence

import place
import program

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
HOME = Path("/tmp/machine-postgresql")
SOCKETS = Path("/run/machine-postgresql")
# Those that others build on, once; then, with each kind, those of what parallel workers share, on the same tables.
FIRST = ("test_setup", "copy create_misc", "create_index")
EACH = ("select_parallel write_parallel",)
# The one thing that those leave behind, and do not expect to find.
LEFT = "drop function if exists sp_parallel_restricted(int)"
VERDICT = re.compile(r"^(?:test)? +(\S+) +\.\.\. (ok|FAILED|failed)\b", re.MULTILINE)


def as_postgres(*command: object, **kwargs) -> str:
    return program.call("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", *command, **kwargs)


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


def environment() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(PAYLOAD / "postgresql/lib/x86_64-linux-gnu"), "HOME": str(HOME),
            "TMPDIR": str(SOCKETS), "PGHOST": str(SOCKETS), "PGPORT": "5499", "PGCTLTIMEOUT": "120"}


def control(*arguments: object) -> str:
    with open(HOME / "control.log", "w+b") as log:
        # The server keeps what it inherits open: no pipe.
        done = subprocess.run(["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups",
                               str(PAYLOAD / "postgresql/bin/pg_ctl"), "-D", str(HOME / "data"), "-w",
                               "-l", str(HOME / "server.log"), *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd=HOME, check=False)
        log.seek(0)
        return "" if done.returncode == 0 else log.read().decode(errors="replace")


def regress(shared: str, dynamic: str, tests: Sequence[str], *options: str) -> str:
    """The tests with a server that has these; what is wrong."""
    wrong = control("-o", f"-c shared_memory_type={shared} -c dynamic_shared_memory_type={dynamic} -c jit=off -c fsync=off "
                    f"-c full_page_writes=off -c synchronous_commit=off -k {SOCKETS} -c listen_addresses= -c max_wal_size=256MB", "start")
    if wrong:
        return wrong
    try:
        if "--use-existing" in options:
            as_postgres(PAYLOAD / "postgresql/bin/psql", "-X", "-q", "-c", LEFT, "regression", env=environment(), cwd=HOME)
        output = HOME / f"{shared}-{dynamic}"
        output.mkdir()
        shutil.chown(output, "postgres", "postgres")
        schedule = output / "schedule"
        schedule.write_text("".join(f"test: {line}\n" for line in tests), encoding="ascii")
        ran = subprocess.run(["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups",
                              str(PAYLOAD / "bin/pg_regress"), f"--bindir={PAYLOAD}/postgresql/bin", f"--host={SOCKETS}",
                              "--port=5499", "--user=postgres",
                              f"--dlpath={PAYLOAD}/regress", f"--inputdir={PAYLOAD}/regress", f"--outputdir={output}",
                              f"--schedule={schedule}", *options],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", env=environment(), cwd=output, check=False)
        found = dict(VERDICT.findall(ran.stdout))
        wanted = [name for line in tests for name in line.split()]
        bad = [f"{name}: {found.get(name, 'did not run')}" for name in wanted if found.get(name) != "ok"]
        if bad or ran.returncode:
            differences = output / "regression.diffs"
            shown = differences.read_text(errors="replace") if differences.is_file() else ran.stdout
            return "\n".join(bad + shown.splitlines()[:40])
        return where()
    finally:
        control("-m", "fast", "stop")


def of_its_own():
    for folder in (HOME, SOCKETS):
        folder.mkdir()
        shutil.chown(folder, "postgres", "postgres")
    as_postgres(PAYLOAD / "postgresql/bin/initdb", "-D", HOME / "data", "-A", "trust", "-U", "postgres", "-N", "--no-locale",
                env=environment(), cwd=HOME)
    for shared in SHARED:
        for dynamic in DYNAMIC:
            begin = time.monotonic()
            first = (shared, dynamic) == (SHARED[0], DYNAMIC[0])
            wrong = regress(shared, dynamic, (*FIRST, *EACH)) if first else regress(shared, dynamic, EACH, "--use-existing")
            yield f"regression tests, {shared} and {dynamic} ({time.monotonic() - begin:.0f} s)", wrong
    shutil.rmtree(HOME)
    shutil.rmtree(SOCKETS)


def checks():
    yield from of_the_system()
    if PAYLOAD.is_dir():
        yield from of_its_own()
