# SPDX-License-Identifier: GPL-2.0
"""Files that are made while the module serves shared memory, and mounts of type tmpfs: each keeps the module for as
long as it lives, and no longer.
"""

import ctypes
import errno
import mmap
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import module
import suite
from disk import disk
from module import refused, unloads
from switch import FILES, MOUNTS, turn

SIZE = 64 << 10
STORM_SECONDS, STORM_ROUNDS = 10, 20
# In the address space, and not in the memory.
TOO_MUCH = 1 << 45
IPC_RMID, IPC_CREAT = 0, 0o1000
MADV_PAGEOUT = 21
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
LIBC.shmdt.argtypes = [ctypes.c_void_p]
LIBC.syscall.restype = ctypes.c_long
SYS_ADD_KEY, SYS_KEYCTL = 248, 250
KEYCTL_JOIN, KEYCTL_UNLINK, KEYCTL_READ, SESSION = 1, 9, 11, -3


def checked(value, what):
    if value in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), what)
    return value


def error_of(switch: Path, value: str) -> int | None:
    """The error of turning a switch, 0 for none."""
    try:
        switch.write_text(value, encoding="ascii")
    except OSError as error:
        return error.errno
    return 0


def held(use):
    """What `use` makes while the switch is on is the module's, and holds it when the switch is off."""
    turn(FILES, True)
    try:
        release = use()
    finally:
        turn(FILES, False)
    try:
        refused(f"with {use.__doc__}")
    finally:
        release()
    module.unloads_soon(use.__doc__)
    module.insmod()


def memfd():
    file = os.memfd_create("file")
    os.write(file, b"x" * SIZE)
    return file


def use_memfd():
    """an open memfd"""
    file = memfd()
    return lambda: os.close(file)


def use_mapping():
    """a mapping of a memfd that is closed"""
    file = memfd()
    memory = mmap.mmap(file, SIZE, trackfd=False)
    os.close(file)
    memory[0] = 1
    return memory.close


def use_anonymous():
    """shared anonymous memory"""
    memory = mmap.mmap(-1, SIZE)
    memory[0] = 1
    return memory.close


def use_anonymous_of_child():
    """shared anonymous memory that only a child has still mapped"""
    memory = mmap.mmap(-1, SIZE)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    memory.close()

    def end():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    return end


def segment():
    return checked(LIBC.shmget(0, ctypes.c_size_t(SIZE), IPC_CREAT | 0o600), "shmget")


def use_segment():
    """a segment that nobody has attached"""
    number = segment()
    return lambda: checked(LIBC.shmctl(number, IPC_RMID, None), "IPC_RMID")


def use_attached():
    """a removed segment that is attached"""
    number = segment()
    where = checked(LIBC.shmat(number, None, 0), "shmat")
    checked(LIBC.shmctl(number, IPC_RMID, None), "IPC_RMID")
    return lambda: checked(LIBC.shmdt(where), "shmdt")


def use_message():
    """a memfd in a message that nobody has taken"""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    file = memfd()
    socket.send_fds(one, [b"x"], [file])
    os.close(file)

    def end():
        one.close()
        other.close()

    return end


def use_program():
    """a program that runs from a memfd"""
    file = os.memfd_create("program", 0)
    with open(shutil.which("busybox") or "/bin/busybox", "rb") as source:
        os.write(file, source.read())
    reading = os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    os.close(file)
    child = subprocess.Popen(  # pylint: disable=consider-using-with
        ["sleep", "1000"], executable=f"/proc/self/fd/{reading}", pass_fds=[reading])
    os.close(reading)

    def end():
        child.kill()
        child.wait()

    return end


def use_key():
    """a big key"""
    checked(LIBC.syscall(SYS_KEYCTL, KEYCTL_JOIN, None), "keyring")
    data = b"x" * 200000
    key = checked(LIBC.syscall(SYS_ADD_KEY, b"big_key", b"key", data, len(data), SESSION), "add_key")
    return lambda: checked(LIBC.syscall(SYS_KEYCTL, KEYCTL_UNLINK, key, SESSION), "unlink")


def while_on():
    turn(FILES, True)
    turn(FILES, True)
    refused("while shared memory is switched on")
    turn(FILES, False)
    turn(FILES, False)
    module.unloads_soon("the switch")
    module.insmod()


def while_mounted():
    """Mounts under another name count like those under its own."""
    turn(MOUNTS, True)
    try:
        with tempfile.TemporaryDirectory() as where:
            suite.call("mount", "-t", "tmpfs", "suite", where)
            try:
                (Path(where) / "file").write_bytes(bytes(SIZE))
                refused("with a mount named tmpfs")
                turn(MOUNTS, False)
                refused("with a mount named tmpfs from before")
                suite.call("mount", "-o", "remount,size=8m", where)
            finally:
                suite.call("umount", where)
    finally:
        turn(MOUNTS, False)
    module.unloads_soon("the mount")
    module.insmod()


def pages_in_a_pipe():
    """What was spliced of a memfd, or of a mapping, is still there when the module has gone."""
    turn(FILES, True)
    pipe, end = os.pipe()
    try:
        file = memfd()
        spliced = os.splice(file, end, 8192, offset_src=0)
        os.close(file)
        turn(FILES, False)
        module.unloads_soon("the memfd")
        data = os.read(pipe, 8192)
    finally:
        os.close(pipe)
        os.close(end)
    module.insmod()
    if data != b"x" * spliced:
        raise AssertionError(f"{spliced} bytes were spliced, and these came: {data[:20]}")


def from_before():
    """What tmpfs made is tmpfs's, whatever is switched later."""
    file, memory, number = memfd(), mmap.mmap(-1, SIZE), segment()
    device = os.fstat(file).st_dev
    turn(FILES, True)
    try:
        later = memfd()
        if os.fstat(later).st_dev == device:
            raise AssertionError("the switch does nothing")
        os.close(later)
        memory[0] = 1
    finally:
        turn(FILES, False)
    unloaded = module.rmmod()
    os.close(file)
    memory.close()
    checked(LIBC.shmctl(number, IPC_RMID, None), "IPC_RMID")
    if unloaded.returncode != 0:
        raise AssertionError(f"rmmod with files of tmpfs: {unloaded.stdout.strip()}")
    module.insmod()


def at_loading():
    """The parameters of the module."""
    for parameters, on in ((["shared=1"], [True, False]), (["tmpfs=1"], [False, True]), ([], [False, False])):
        unloads()
        suite.call("insmod", module.path(), *parameters)
        found = [switch.read_text(encoding="ascii") for switch in (FILES, MOUNTS)]
        for switch in (FILES, MOUNTS):
            turn(switch, False)
        if found != ["1\n" if one else "0\n" for one in on]:
            raise AssertionError(f"insmod {parameters}: {found}")
    unloads()
    suite.call("insmod", module.path(), "mountable=0", "shared=1")
    mounted = subprocess.run(["mount", "-t", suite.TYPE, "suite", "/mnt"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
    file = memfd()
    turned = error_of(MOUNTS, "1")
    turn(FILES, False)
    refused("with a memfd, with mountable=0")
    os.close(file)
    module.unloads_soon("mountable=0")
    # The mount is tmpfs's: the module goes while it is there.
    suite.call("insmod", module.path(), "mountable=0", "tmpfs=1")
    on = MOUNTS.read_text(encoding="ascii")
    suite.call("mount", "-t", "tmpfs", "suite", "/mnt")
    try:
        unloads()
    finally:
        suite.call("umount", "/mnt")
    module.insmod()
    if mounted.returncode == 0:
        suite.call("umount", "/mnt")
        raise AssertionError("mountable=0 is mounted")
    if turned != errno.EOPNOTSUPP:
        raise AssertionError(f"mountable=0: {MOUNTS} is turned on with {turned}")
    if on != "0\n":
        raise AssertionError(f"mountable=0, tmpfs=1: {MOUNTS} is {on.strip()}")


def mounts_on():
    """The switch for mounts alone holds nothing, and is off in a module that is loaded anew."""
    turn(MOUNTS, True)
    unloads()
    module.insmod()
    if MOUNTS.read_text(encoding="ascii") != "0\n":
        raise AssertionError("mounts are on in a module that was just loaded")


def wrong_values():
    for switch in (FILES, MOUNTS):
        for value in ("\n", "x", "maybe", "2"):
            if (error := error_of(switch, value)) != errno.EINVAL:
                raise AssertionError(f"{switch} takes {value!r} with {error}")


# --- storms: each runs in a process of its own until it is ended, and its exit status is the verdict -------------


def storm_memfd():
    file = memfd()
    with mmap.mmap(file, SIZE) as memory:
        memory[5] = 7
        os.ftruncate(file, SIZE // 2)
        if os.pread(file, 3, 4) != b"x\x07x":
            raise AssertionError("a memfd lost what was written")
    os.close(file)


def storm_anonymous():
    with mmap.mmap(-1, SIZE) as memory:
        memory[:4] = b"abcd"
        child = os.fork()
        if child == 0:
            memory[4:8] = b"efgh"
            os._exit(0)
        os.waitpid(child, 0)
        if memory[:8] != b"abcdefgh":
            raise AssertionError(f"shared memory lost what was written: {memory[:8]}")


def storm_refused():
    """More than there can be is refused, with what makes the file under way."""
    try:
        mmap.mmap(-1, TOO_MUCH).close()
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return
        raise
    raise AssertionError(f"there are {TOO_MUCH} bytes of shared memory")


def storm_segments():
    number = segment()
    where = checked(LIBC.shmat(number, None, 0), "shmat")
    ctypes.memset(where, 9, SIZE)
    checked(LIBC.shmctl(number, IPC_RMID, None), "IPC_RMID")
    if ctypes.string_at(where, SIZE) != b"\x09" * SIZE:
        raise AssertionError("a segment lost what was written")
    checked(LIBC.shmdt(where), "shmdt")


def storm_mounts():
    """One of the two types makes each."""
    data = random.randbytes(SIZE)
    with suite.mounted("tmpfs", "size=1m") as mount:
        (mount / "file").write_bytes(data)
        if (mount / "file").read_bytes() != data:
            raise AssertionError("a mount lost what was written")


def storm_swapped():
    """Some of it is long-lived, so that it crosses switches, and goes to swap."""
    size = 1 << 20
    with mmap.mmap(-1, size) as memory:
        data = random.randbytes(size)
        memory[:] = data
        for _ in range(5):
            memory.madvise(MADV_PAGEOUT)
            time.sleep(0.05)
            if memory[:] != data:
                raise AssertionError("memory came back from swap as something else")


def storm_swapoff():
    device = disk()
    if device is None:
        time.sleep(1)
        return
    suite.call("swapon", device)
    time.sleep(random.random() / 2)
    suite.call("swapoff", device)


def start(storm):
    """The process that runs a storm until SIGTERM."""
    child = os.fork()
    if child:
        return child
    over = []
    status = 1
    try:
        signal.signal(signal.SIGTERM, lambda *_: over.append(1))
        while not over:
            storm()
        status = 0
    except BaseException as problem:  # pylint: disable=broad-exception-caught
        suite.note(f"{storm.__name__}: {problem!r}")
    finally:
        os._exit(status)


def storms():
    """Both switches on and off in a loop, and the module away and back, beside all that makes such files and mounts, and
    swapoff. It may go while mounts are switched on, and never while files are.
    """
    device = disk()
    if device is None:
        suite.note("nothing goes to swap: there is no disk for it, or the kernel has no swap")
    else:
        suite.call("mkswap", device)
    all_storms = (storm_memfd, storm_anonymous, storm_refused, storm_segments, storm_mounts, storm_swapped, storm_swapoff)
    children = {start(storm): storm.__name__ for storm in all_storms}
    counts = {"on": 0, "unloaded": 0, "unloaded with mounts on": 0}
    wrong = []
    begin = time.monotonic()
    try:
        while time.monotonic() < begin + STORM_SECONDS or counts["on"] < STORM_ROUNDS:
            turn(FILES, True)
            counts["on"] += 1
            mounts = counts["on"] % 2 == 1
            turn(MOUNTS, mounts)
            time.sleep(random.random() / 50)
            if counts["on"] % 10 == 1:
                refused("while shared memory is switched on")
            turn(FILES, False)
            if counts["on"] % 5 == 0:
                done = module.rmmod()
                if done.returncode == 0:
                    counts["unloaded"] += 1
                    counts["unloaded with mounts on"] += mounts
                    module.insmod()
                elif "in use" not in done.stdout and os.strerror(11) not in done.stdout:
                    wrong.append(done.stdout)
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)
        for child, name in children.items():
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
                wrong.append(f"{name} failed")
        turn(MOUNTS, False)
    suite.note(f"storms: {counts}")
    module.unloads_soon("the storms")
    module.insmod()
    if wrong:
        raise AssertionError("\n".join(wrong[:10]))


USES = (use_memfd, use_mapping, use_anonymous, use_anonymous_of_child, use_segment, use_attached, use_message,
        use_program, use_key)

TESTS = {
    "shared memory that is switched on keeps the module": while_on,
    **{f"{use.__doc__} keeps the module": lambda use=use: held(use) for use in USES},
    "pages of a memfd in a pipe outlive the module": pages_in_a_pipe,
    "what tmpfs made does not keep the module": from_before,
    "a mount named tmpfs keeps the module": while_mounted,
    "a switch for mounts without a mount does not keep the module": mounts_on,
    "what is on from the beginning": at_loading,
    "values that the switches refuse": wrong_values,
    "both switches on and off against those who make files and mounts": storms,
}
