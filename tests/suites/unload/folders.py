# SPDX-License-Identifier: GPL-2.0
"""The figures in sysfs come and go with mounts and with the module, whatever is open of them and reads them."""

import contextlib
import errno
import os
import signal
import tempfile
import time
from pathlib import Path

import figures
import module
import shared
import suite
from switch import FILES, MOUNTS, turn

SECONDS = 8
# More than the walk of a list looks at before it lets others have the lock.
INODES = 700


def gone(file: int, what: str) -> None:
    """What is open of a figure that is there no more says so."""
    try:
        data = os.pread(file, 100, 0)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return
        raise
    raise AssertionError(f"{what} still reads {data}")


def only(when: str, expected: list[Path]) -> None:
    """There are these folders, and soon no others."""
    if wrong := figures.differ(f"{when} there are", figures.folders, lambda: sorted(expected)):
        raise AssertionError(wrong)


def open_at_umount():
    """Mounts of both names, the kernel's own, and one that cannot be made."""
    before = figures.folders()
    turn(MOUNTS, True)
    try:
        for fstype in ("rtmpfs", "tmpfs"):
            with suite.mounted(fstype) as mount:
                folder = figures.folder(mount)
                only(f"with a {fstype}", [*before, folder])
                files = [os.open(folder / name, os.O_RDONLY) for name in figures.NAMES]
                suite.call("mount", "--bind", mount, mount)
                suite.call("umount", mount)
                for file in files:
                    os.pread(file, 100, 0)
            if wrong := figures.goes(folder):
                raise AssertionError(wrong)
            for file in files:
                gone(file, f"a figure of a {fstype} that is mounted no more")
                os.close(file)
        with contextlib.suppress(RuntimeError), suite.mounted("rtmpfs", "size=many"):
            raise AssertionError("size=many is mounted")
    finally:
        turn(MOUNTS, False)
    turn(FILES, True)
    number = os.memfd_create("file")
    inside = figures.CONTROL / figures.device(os.fstat(number).st_dev)
    file = os.open(inside / "inodes", os.O_RDONLY)
    turn(FILES, False)
    only("with a memfd", [*before, inside])
    os.close(number)
    module.unloads_soon("the memfd")
    gone(file, "a figure of the kernel's own mount")
    os.close(file)
    module.insmod()
    only("in the end", before)


def open_at_rmmod():
    """A file of the module itself does not keep it."""
    file = os.open(figures.CONTROL / "resident", os.O_RDONLY)
    os.pread(file, 100, 0)
    module.unloads()
    gone(file, "a figure of a module that is gone")
    module.insmod()
    gone(file, "a figure of the module before")
    os.close(file)


def read_all():
    """Whatever figure there is."""
    # Gone before it is listed, or opened.
    with contextlib.suppress(FileNotFoundError):
        for path in [figures.CONTROL, *figures.folders()]:
            for name in figures.NAMES:
                try:
                    figures.read(path / name)
                except OSError as error:
                    # Gone before it is read.
                    if error.errno != errno.ENODEV:
                        raise


@contextlib.contextmanager
def readers():
    """Three processes that read."""
    children = [shared.start(read_all) for _ in range(3)]
    try:
        yield
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(ends):
        raise AssertionError(f"the readers end with {ends}")


def beside_umount():
    """Mounts come, get many inodes, and go; so do the kernel's own."""
    rounds, begin = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as where, readers():
        while time.monotonic() < begin + SECONDS or rounds < 3:
            suite.call("mount", "-t", suite.TYPE, "suite", where)
            folder = figures.folder(Path(where))
            for number in range(INODES):
                os.close(os.open(Path(where) / str(number), os.O_CREAT | os.O_WRONLY))
            # The root, too.
            wrong = figures.differ("inodes", lambda: figures.read(folder / "inodes"), lambda: INODES + 1)
            turn(FILES, True)
            os.close(os.memfd_create("file"))
            turn(FILES, False)
            suite.call("umount", where)
            # The folder goes, or is the next mount's.
            if rounds % 2:
                wrong = wrong or figures.goes(folder)
            if wrong:
                raise AssertionError(wrong)
            rounds += 1
    suite.note(f"beside those who read: {rounds} mounts")
    module.unloads_soon("the mounts")
    module.insmod()


def beside_rmmod():
    """The module goes and comes."""
    with readers():
        for _ in range(5):
            with suite.mounted(suite.TYPE) as mount:
                (mount / "file").write_bytes(bytes(1 << 20))
            module.unloads_soon("the mount")
            module.insmod()
            time.sleep(0.3)


TESTS = {
    "figures of a mount that are open when it goes": open_at_umount,
    "figures that are open when the module goes": open_at_rmmod,
    "mount and umount against those who read figures": beside_umount,
    "insmod and rmmod against those who read figures": beside_rmmod,
}
