# SPDX-License-Identifier: GPL-2.0
"""A Debian package from its source: dpkg-buildpackage gives the same bytes wherever it works."""

import hashlib
import os
import socket
from pathlib import Path
from typing import Iterator

import suite
from step import Step, timed

HOME = Path("/tmp/package")
TREE = HOME / "tree"
SECONDS = 400
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "DEB_BUILD_OPTIONS": "parallel=2", "HOME": str(HOME)}


def run(*command):
    ran = suite.run(command, SECONDS, cwd=TREE if TREE.is_dir() else HOME, env=ENVIRONMENT)
    if ran.verdict() != suite.OK:
        raise RuntimeError(f"{' '.join(map(str, command))}: {ran.verdict().why}")
    return ran.output


def unpack():
    HOME.mkdir()
    (source,) = (suite.folder("RTMPFS_BIN") / "programs" / "source").glob("*.dsc")
    run("dpkg-source", "--no-check", "-x", source, TREE)
    return suite.OK, "\n".join(sorted(f"{path.relative_to(TREE)} {path.lstat().st_size}" for path in TREE.rglob("*") if path.is_file()))


def build():
    # Without a signature, which nobody here has a key for; the build dependencies are checked.
    run("dpkg-buildpackage", "-b", "-uc", "-us")
    packages = sorted(HOME.glob("*.deb"))
    if not packages:
        return suite.broken(f"no package in {sorted(os.listdir(HOME))}"), None
    return suite.OK, "\n".join(f"{path.name} sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in packages)


def contents():
    """Whatever the packages hold: first what tells which file is another, should the packages differ."""
    lines = []
    for package in sorted(HOME.glob("*.deb")):
        where = HOME / package.stem
        run("dpkg-deb", "-x", package, where)
        lines.append(run("dpkg-deb", "-c", package))
        lines += sorted(f"{path.relative_to(HOME)} sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
                        for path in where.rglob("*") if path.is_file() and not path.is_symlink())
    if not any("sha256" in line for line in lines):
        return suite.broken("there is no file in the packages"), None
    return suite.OK, "\n".join(lines)


def works():
    (program,) = HOME.glob("hostname_*/usr/bin/hostname")
    said = run(program).strip()
    if said != socket.gethostname():
        return suite.broken(f"the program says {said!r} and not {socket.gethostname()!r}"), None
    return suite.OK, None


def steps() -> Iterator[Step]:
    for name, work in (("dpkg-source -x", unpack), ("dpkg-buildpackage", build), ("what the packages hold", contents),
                       ("the program in the package works", works)):
        done = timed(name, work)
        yield done
        if done.outcome != suite.OK:
            return
