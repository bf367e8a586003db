# SPDX-License-Identifier: GPL-2.0
"""A program is built: a repository in /tmp, a clone of it in /dev/shm, the compiler's files wherever it likes."""

import shutil
import subprocess
from pathlib import Path

import suite

FILES = {
    "Makefile": "CFLAGS = -O2 -Wall -Werror\nsum: main.o sum.o\nmain.o sum.o: sum.h\n",
    "sum.h": "unsigned long sum(const unsigned char *from, unsigned long length);\n",
    "sum.c": '#include "sum.h"\n\nunsigned long sum(const unsigned char *from, unsigned long length)\n{\n'
             "\tunsigned long total = 0;\n\n\twhile (length--)\n\t\ttotal += *from++;\n\treturn total;\n}\n",
    "main.c": '#include <stdio.h>\n#include "sum.h"\n\nint main(void)\n{\n\tstatic unsigned char bytes[1 << 20];\n\n'
              '\tprintf("%lu\\n", sum(bytes, fread(bytes, 1, sizeof(bytes), stdin)));\n\treturn 0;\n}\n',
}
GIT = ["git", "-c", "user.name=machine", "-c", "user.email=machine@localhost", "-c", "init.defaultBranch=main"]


def call(*command: object, **kwargs) -> str:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=120 * suite.PATIENCE, **kwargs)
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}\n{output}")
    return output


def checks():
    source, clone = Path("/tmp/machine-program"), Path("/dev/shm/machine-program")
    source.mkdir()
    for name, text in FILES.items():
        (source / name).write_text(text, encoding="ascii")
    call(*GIT, "init", "--quiet", source)
    call(*GIT, "-C", source, "add", ".")
    call(*GIT, "-C", source, "commit", "--quiet", "-m", "sum: add up bytes")
    call(*GIT, "clone", "--quiet", source, clone)
    yield "git makes a repository and clones it", call(*GIT, "-C", clone, "status", "--porcelain")
    call("make", "-C", clone, "-j2", "sum")
    data = bytes(range(256)) * 1000
    said = call(clone / "sum", input=data).strip()
    yield "a program is built and works", "" if said == str(sum(data)) else f"it says {said}, and not {sum(data)}"
    call(*GIT, "-C", clone, "gc", "--quiet")
    call(*GIT, "-C", clone, "fsck", "--full")
    yield "git finds its repository in order", ""
    shutil.rmtree(source)
    shutil.rmtree(clone)
