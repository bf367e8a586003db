# SPDX-License-Identifier: GPL-2.0
"""The quota tools: setquota sets limits that hold, and repquota and quota show what there is of each user and group."""

import errno
import os
import re
from pathlib import Path
from typing import Iterator, Optional

import suite
from step import Step, timed

HOME = Path("/tmp/quota")
# The tools know file systems by the names of their types, which they read, with all else that is mounted, in this list.
LIST = Path("/run/quota.mounts")
SECONDS = 60
USER, GROUP = 1001, 1002
KIB = 1024


def run(name: str, *arguments: object) -> suite.Ran:
    return suite.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/$$/mounts && exec "$@"', LIST,
                      suite.binary(f"programs/bin/{name}"), *arguments], SECONDS)


def tool(name: str, *arguments: object) -> str:
    ran = run(name, *arguments)
    if ran.verdict() != suite.OK:
        raise RuntimeError(f"{name} {' '.join(map(str, arguments))}: {ran.verdict().why}")
    return ran.output


def lacking() -> Optional[suite.Outcome]:
    if "TMPFS_QUOTA" in suite.LACKS or "QUOTA" in suite.LACKS:
        return suite.skip("this kernel was built without CONFIG_TMPFS_QUOTA")
    ran = suite.run([suite.binary("programs/bin/repquota"), "--version"], SECONDS)
    # They are of a later release than all else here.
    return suite.skip(f"the quota tools do not run here: {ran.tail(1)}") if "Quota utilities" not in ran.output else None


def timeless(text: str) -> str:
    """Without the seconds at which times of grace end."""
    return re.sub(r"\b[0-9]{9,}\b", "LATER", text)


def report() -> str:
    return timeless(tool("repquota", "--no-names", "--raw-grace", "--user", "--group", HOME))


def as_user(work) -> int:
    """The error number of what a child does as the user, 0 for none."""
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(GROUP, GROUP, GROUP)
            os.setresuid(USER, USER, USER)
            work()
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            os._exit(255)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write(name: str, kib: int) -> int:
    return as_user(lambda: (HOME / name).write_bytes(b"x" * kib * KIB))


def expect(what: str, got: int, want: int) -> None:
    if got != want:
        raise ValueError(f"{what}: {errno.errorcode.get(got, got)} instead of {errno.errorcode.get(want, want)}")


def set_limits():
    tool("setquota", "--user", USER, 64, 128, 3, 5, HOME)
    tool("setquota", "--group", GROUP, 0, 256, 0, 9, HOME)
    return suite.OK, report()


def limits_hold():
    expect("60 KiB", write("first", 60), 0)
    expect("40 KiB more, over the soft limit", write("second", 40), 0)
    expect("40 KiB more, over the hard limit", write("third", 40), errno.EDQUOT)
    (HOME / "third").unlink(missing_ok=True)
    for number in range(3):
        expect(f"file {number + 3} of 5", as_user((HOME / f"empty {number}").touch), 0)
    expect("a sixth file", as_user((HOME / "one more").touch), errno.EDQUOT)
    return suite.OK, report()


def one_user():
    """quota(1) fails where somebody is over a limit, which is so here."""
    ran = run("quota", "--user", "--raw-grace", "--no-wrap", USER)
    if ran.status != 1 or "100*" not in ran.output:
        return suite.broken(f"status {ran.status}\n{ran.tail()}"), None
    return suite.OK, timeless(ran.output)


def grace():
    tool("setquota", "--edit-period", "--user", 3600, 7200, HOME)
    return suite.OK, report()


def owners_change():
    os.chown(HOME / "first", 0, 0)
    (HOME / "second").unlink()
    return suite.OK, report()


def steps() -> Iterator[Step]:
    unable = lacking()
    if unable:
        yield Step("the tools", unable)
        return
    HOME.mkdir()
    fstype = suite.run(["findmnt", "-n", "-o", "FSTYPE", "-T", "/tmp"], SECONDS).output.split()[-1]
    suite.call("mount", "-t", fstype, "-o", "usrquota,grpquota,size=10m,mode=1777", "quota", HOME)
    LIST.write_text(f"quota {HOME} tmpfs rw,usrquota,grpquota 0 0\n", encoding="utf-8")
    try:
        yield timed("setquota sets limits", set_limits)
        yield timed("the limits hold, and repquota shows who is over one", limits_hold)
        yield timed("quota shows what a user has", one_user)
        yield timed("setquota sets times of grace", grace)
        yield timed("repquota follows files that go or change their owner", owners_change)
    finally:
        suite.call("umount", HOME)
