# SPDX-License-Identifier: GPL-2.0
"""A tree with one of everything that an archive has to bring back."""

import os
import random
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

import suite

LABEL = b"system_u:object_r:rtmpfs_%s_t:s0:c1,c2\0"
BLOCK = 64 << 10
BILLION = 10**9

# Version 2, effective, CAP_NET_RAW and CAP_NET_BIND_SERVICE permitted.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13 | 1 << 10, 0, 0, 0)


@dataclass(frozen=True)
class Features:
    """What a file system may lack for the kernel's configuration."""

    acls: bool = True
    security: bool = True

    def __and__(self, other: "Features") -> "Features":
        return Features(self.acls and other.acls, self.security and other.security)

    def lacks(self) -> str:
        return " and ".join(name for name, there in (("ACLs", self.acls), ("security.* attributes", self.security)) if not there)


def features(folder: Path) -> Features:
    probe = folder / "probe"
    probe.touch()

    def takes(name: str, value: bytes) -> bool:
        try:
            os.setxattr(probe, name, value)
        except OSError:
            return False
        return True

    # An ACL of the three entries that a mode has.
    plain = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", tag, 6, -1) for tag in (0x01, 0x04, 0x20))
    found = Features(takes("system.posix_acl_access", plain), takes("security.selinux", LABEL % b"probe"))
    probe.unlink()
    return found


def chunk(seed: int, size: int) -> bytes:
    """Bytes without a zero, so that nobody takes a part of them for a hole."""
    return random.Random(seed).randbytes(size).replace(b"\0", b"\1")


def sparse(path: Path, size: int, blocks: list[int]) -> None:
    """A file of which only these blocks have data."""
    with open(path, "wb") as file:
        file.truncate(size)
        for block in blocks:
            file.seek(block * BLOCK)
            file.write(chunk(block, BLOCK))


def contents(root: Path) -> None:
    (root / "empty").touch()
    (root / "one byte").write_bytes(b"x")
    (root / "large").write_bytes(chunk(7, (1 << 20) + 1))
    sparse(root / "sparse", 16 << 20, [0, 5, 6, 200])
    sparse(root / "sparse to its end", 4 << 20, [63])
    sparse(root / "nothing but a hole", (3 << 20) + 17, [])
    folder = root / "many"
    folder.mkdir()
    for number in range(64):
        (folder / f"{number:03}").write_bytes(chunk(number, 100 * number))


def names(root: Path) -> None:
    folder = root / "names"
    folder.mkdir()
    for name in (b"with a space", b"with\na newline", b"-a dash", b"\xc3\xa9t\xc3\xa9", b"\xff\xfe no UTF-8", b"n" * 255, b"back\\slash"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)
    deep = root / "deep"
    for _ in range(12):
        deep = deep / ("d" * 40)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"far down")


def links(root: Path) -> None:
    folder = root / "links"
    folder.mkdir()
    (folder / "first").write_bytes(b"one file of three names")
    os.link(folder / "first", folder / "second")
    os.link(folder / "first", root / "third")
    for name, target in (("short", "first"), ("dangling", "../no such file"), ("absolute", "/tmp"), ("long", "t/" * 150 + "x"),
                         ("very long", "/".join(["y" * 200] * 15))):
        os.symlink(target, folder / name)
    os.link(folder / "short", folder / "short again", follow_symlinks=False)


def nodes(root: Path) -> None:
    folder = root / "nodes"
    folder.mkdir()
    # Of one name each: of two names for one fifo tar makes two.
    os.mkfifo(folder / "fifo", 0o640)
    os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(folder / "block", 0o660 | stat.S_IFBLK, os.makedev(259, 1000))


def attributes(root: Path, security: bool) -> None:
    folder = root / "attributes"
    folder.mkdir()
    file = folder / "file"
    file.write_bytes(b"attributes")
    for where in (file, folder):
        os.setxattr(where, "user.text", b"some text")
        os.setxattr(where, "user.bytes", bytes(range(256)))
        os.setxattr(where, "user.a=b", b"an equals sign")
        os.setxattr(where, "trusted.overlay.opaque", b"y")
    os.setxattr(file, "user.long", chunk(9, 2000))
    for where in (root / "links" / "short", root / "nodes" / "null", root / "nodes" / "fifo"):
        os.setxattr(where, "trusted.what", os.fsencode(where.name), follow_symlinks=False)
    if not security:
        return
    program = folder / "program"
    program.write_bytes(b"#!/bin/true\n")
    os.chmod(program, 0o755)
    os.chown(program, 7, 8)
    os.setxattr(program, "security.capability", CAPABILITY)
    for number, where in enumerate((file, folder, program, root / "links" / "long", root / "nodes" / "fifo", root / "nodes" / "block")):
        os.setxattr(where, "security.selinux", LABEL % str(number).encode(), follow_symlinks=False)


def acls(root: Path) -> None:
    folder = root / "acls"
    folder.mkdir()
    suite.call("setfacl", "-m", "u:1001:rwx,g:1002:r-x,m::rwx,d:u:1001:rw-,d:g:1003:---,d:m::rw-", folder)
    # These two inherit.
    (folder / "inherited").write_bytes(b"x")
    (folder / "folder").mkdir()
    (folder / "masked").write_bytes(b"y")
    suite.call("setfacl", "-b", "-m", "u:1001:rwx,u:1002:r--,g:1003:-w-,m::r--", folder / "masked")


def owners(root: Path) -> None:
    folder = root / "owners"
    folder.mkdir()
    for name, mode, uid, gid in (("nothing allowed", 0, 1234, 5678), ("setuid", 0o4755, 0, 0), ("setgid", 0o2755, 3000, 4_000_000_000),
                                 ("sticky", 0o1644, 4_294_967_294, 1)):
        path = folder / name
        path.write_bytes(name.encode())
        os.chown(path, uid, gid)
        os.chmod(path, mode)
    for name, mode in (("drop", 0o1777), ("shared", 0o2775), ("closed", 0o000)):
        (folder / name).mkdir()
        os.chmod(folder / name, mode)
        os.chown(folder / name, 42, 43, follow_symlinks=False)
        os.chmod(folder / name, mode)
    os.lchown(root / "links" / "dangling", 44, 45)


def times(root: Path) -> None:
    folder = root / "times"
    folder.mkdir()
    for name, when in (("the next century", 4_102_444_800 * BILLION + 1), ("nanoseconds", BILLION * BILLION + 123_456_789),
                       ("before the epoch", -BILLION * 100_000_000 + 500), ("the epoch", 0)):
        (folder / name).touch()
        os.utime(folder / name, ns=(when, when))
    # Everything else at a time of its own, folders after what is in them.
    paths = [path for path in root.rglob("*") if path.parent != folder]
    for number, path in enumerate(sorted(paths, key=lambda path: (-len(path.parts), path))):
        when = (1_500_000_000 + number) * BILLION + 1001 * number
        os.utime(path, ns=(when, when), follow_symlinks=False)
    os.utime(root, ns=(BILLION, BILLION))


def plant(root: Path, has: Features) -> None:
    root.mkdir(mode=0o755)
    contents(root)
    names(root)
    links(root)
    nodes(root)
    owners(root)
    attributes(root, has.security)
    if has.acls:
        acls(root)
    times(root)
