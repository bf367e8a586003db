# SPDX-License-Identifier: GPL-2.0
"""A place where every file system that a program can write to is of the type under test."""

import ctypes
import os

MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source, target, fstype, flags, options=""):
    if LIBC.mount(source.encode(), target.encode(), fstype.encode(), ctypes.c_ulong(flags), options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} {target}")


def enter(fstype, programs, size="50%", tmp_size="50%"):
    """A mount namespace for this process with a root, /tmp, /dev/shm and /huge of the type, and the folder of programs
    in /.programs; it is in /tmp then. For suite.run's preexec_fn. The sizes are those of all of them but /tmp, and of
    /tmp.

    The new root is moved over the old one and not pivoted to, since the guest may run from its first root, and a
    plain chroot could make no user namespaces. System calls and no commands: all these programs take their time as
    it is.
    """
    os.unshare(os.CLONE_NEWNS)
    mount("", "/", "", MS_REC | MS_PRIVATE)
    # Its path may go through /mnt, which is covered next.
    folder = os.open(programs, os.O_PATH | os.O_DIRECTORY)
    mount("root", "/mnt", fstype, 0, f"mode=755,size={size}")
    os.chdir("/mnt")
    for name in os.listdir("/"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), name)
        elif os.path.isdir(f"/{name}"):
            os.mkdir(name)
            if name not in ("mnt", "tmp", "proc", "run", "root"):
                mount(f"/{name}", name, "", MS_BIND | MS_REC)
    for name in (".programs", "huge"):
        os.mkdir(name)
    mount(f"/proc/self/fd/{folder}", ".programs", "", MS_BIND)
    mount("proc", "proc", "proc", 0)
    mount("tmp", "tmp", fstype, 0, f"mode=1777,size={tmp_size}")
    # What tests of large folios expect of shared memory, and of a file system.
    mount("shm", "dev/shm", fstype, 0, f"mode=1777,size={size},huge=advise")
    mount("huge", "huge", fstype, 0, f"mode=1777,size={size},huge=always")
    mount(".", "/", "", MS_MOVE)
    os.chroot(".")
    os.chdir("/tmp")
    os.close(folder)
