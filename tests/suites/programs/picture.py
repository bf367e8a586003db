# SPDX-License-Identifier: GPL-2.0
"""All that can be seen of a tree, as text: one line a name."""

import errno
import hashlib
import json
import os
import stat
from pathlib import Path


def extents(path: Path, size: int) -> list[list[int]]:
    """Where the file has data."""
    found, end = [], 0
    with open(path, "rb") as file:
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append([start, end])
    return found


def line(root: Path, path: Path, names: dict[tuple[int, int], str]) -> str:
    found = path.lstat()
    kind = stat.S_IFMT(found.st_mode)
    name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
    fields = {
        "name": name,
        "mode": oct(found.st_mode),
        "owner": [found.st_uid, found.st_gid],
        "links": found.st_nlink,
        "time": found.st_mtime_ns,
        "attributes": {key: os.getxattr(path, key, follow_symlinks=False).hex()
                       for key in sorted(os.listxattr(path, follow_symlinks=False))},
    }
    if kind != stat.S_IFDIR:
        # The first of the names that the file has, in their order.
        fields["same as"] = names.setdefault((found.st_dev, found.st_ino), name)
    if kind in (stat.S_IFBLK, stat.S_IFCHR):
        fields["device"] = [os.major(found.st_rdev), os.minor(found.st_rdev)]
    if kind == stat.S_IFLNK:
        fields["target"] = os.readlink(path)
    if kind == stat.S_IFREG:
        fields["size"] = found.st_size
        fields["data"] = extents(path, found.st_size)
        with open(path, "rb") as file:
            fields["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return json.dumps(fields)


def picture(root: Path) -> str:
    names: dict[tuple[int, int], str] = {}
    return "\n".join(line(root, path, names) for path in [root, *sorted(root.rglob("*"))])
