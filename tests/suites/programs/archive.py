# SPDX-License-Identifier: GPL-2.0
"""tar and rsync, with all that they can keep of a tree, between the file system and ext4, in both directions. Whether
all is kept is looked at by a program that shares nothing with them.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Iterator, Optional

import suite
from picture import picture
from step import Step, differences, timed
from tree import Features, features, plant

HOME = Path("/tmp/archive")
SECONDS = 120
KEEP = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "--format=posix"]
RSYNC = ["rsync", "-aHX", "--numeric-ids", "-S"]
# What the type under test has; user.* and trusted.* attributes it has anyway.
EXPECTED = Features(acls="TMPFS_POSIX_ACL" not in suite.LACKS)


def run(*command) -> str:
    """What the program says, which is nothing where all is well."""
    ran = suite.run(command, SECONDS)
    if ran.verdict() != suite.OK:
        raise RuntimeError(f"{' '.join(map(str, command))}: {ran.verdict().why}")
    return ran.output


def keep_all(has: Features) -> list[str]:
    """The options of tar for all that both ends have; it complains of each file whose file system has less."""
    return [*KEEP, *(["--acls"] if has.acls else []), *(["--selinux"] if has.security else [])]


def tar(source: Path, archive: Path, target: Path, keep: list[str]) -> str:
    target.mkdir()
    said = run("tar", *keep, "--sparse", "--sort=name", "-C", source, "-cf", archive, ".")
    # Some files are older than tar believes, or newer.
    return said + run("tar", *keep, "--warning=no-timestamp", "--same-permissions", "-C", target, "-xf", archive)


def same(source: Path, target: Path, said: str = ""):
    odd = differences(picture(source), picture(target))
    few = "\n".join(said.splitlines()[:10])
    return (suite.broken(f"{odd}\n{few}") if odd or said.strip() else suite.OK), None


def by_tar(source: Path, archive: Path, target: Path, has: Features):
    said = tar(source, archive, target, keep_all(has))
    archive.unlink()
    return same(source, target, said)


def by_rsync(source: Path, target: Path, has: Features):
    rsync = [*RSYNC, *(["--acls"] if has.acls else [])]
    said = run(*rsync, f"{source}/", f"{target}/")
    # It looks again at everything, and finds nothing to do.
    said += run(*rsync, "-n", "--itemize-changes", "--delete", "--checksum", f"{source}/", f"{target}/")
    return same(source, target, said)


def label(path: Path) -> Optional[bytes]:
    try:
        return os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError:
        return None


def only_labels(source: Path, archive: Path, target: Path):
    """With --selinux and nothing else tar keeps the labels and nothing else."""
    said = tar(source, archive, target, ["--selinux", "--format=posix"])
    stored = len(re.findall(rb"RHT\.security\.selinux=", archive.read_bytes()))
    archive.unlink()
    paths = [path.relative_to(source) for path in sorted(source.rglob("*"))]
    labels = {path: label(source / path) for path in paths}
    wrong = [f"{path}: {value} and then {label(target / path)}" for path, value in labels.items() if label(target / path) != value]
    others = [str(path) for path in paths
              if set(os.listxattr(target / path, follow_symlinks=False)) - {"security.selinux", "system.posix_acl_access",
                                                                           "system.posix_acl_default"}]
    some = sum(value is not None for value in labels.values())
    if not some or stored != some or wrong or others or said.strip():
        return suite.broken("\n".join([f"{some} labels, {stored} in the archive", *wrong, *others, said])), None
    return suite.OK, None


def steps() -> Iterator[Step]:
    if "TMPFS_XATTR" in suite.LACKS:
        yield Step("archive", suite.skip("this kernel was built without CONFIG_TMPFS_XATTR"))
        return
    disk = Path(tempfile.mkdtemp(prefix="archive.", dir=suite.folder("RTMPFS_SCRATCH")))
    try:
        yield from directions(disk)
    finally:
        shutil.rmtree(disk)


def directions(disk: Path) -> Iterator[Step]:
    HOME.mkdir()
    here, there = features(HOME), features(disk)
    both = here & there
    tree = HOME / "tree"

    def planted():
        plant(tree, here)
        return (suite.broken(f"this file system is to have {EXPECTED}, and has {here}") if here != EXPECTED else suite.OK), picture(tree)

    first = timed("a tree of everything", planted)
    yield first
    if first.outcome != suite.OK:
        return
    yield timed("tar, by an archive on ext4, and back", lambda: by_tar(tree, disk / "tar", HOME / "back", here))
    yield timed("tar --selinux alone, by an archive on ext4, and back", lambda: only_labels(tree, disk / "tar", HOME / "labels"))
    yield timed("rsync within the file system", lambda: by_rsync(tree, HOME / "copy", here))

    if there.lacks():
        yield Step(f"{there.lacks()} on ext4", suite.skip(f"the kernel's ext4 has no {there.lacks()}"))
    if both != here:
        tree = HOME / "less"
        plant(tree, both)
    what = f"a tree without {both.lacks()}" if both.lacks() else "a tree of everything"
    yield timed(f"tar to ext4, {what}", lambda: by_tar(tree, HOME / "tar", disk / "tar.d", both))
    yield timed(f"tar from ext4, {what}", lambda: by_tar(disk / "tar.d", HOME / "tar", HOME / "tar.d", both))
    yield timed("what came back by tar is what went", lambda: same(tree, HOME / "tar.d"))
    yield timed(f"rsync to ext4, {what}", lambda: by_rsync(tree, disk / "rsync", both))
    yield timed(f"rsync from ext4, {what}", lambda: by_rsync(disk / "rsync", HOME / "rsync", both))
    yield timed("what came back by rsync is what went", lambda: same(tree, HOME / "rsync"))
