# SPDX-License-Identifier: GPL-2.0
"""What pg_regress, the program of PostgreSQL's own tests, is told and says, and the server beside it."""

import re
from pathlib import Path

# What a test came to, in the lines of pg_regress.
VERDICT = re.compile(r"^(?:test)? +(\S+) +\.\.\. (ok|FAILED|failed)\b", re.MULTILINE)
# What the server never says of memory and files that work.
TROUBLE = re.compile(r"^.*(?:PANIC:|was terminated by signal|No space left on device|could not (?:resize|map) shared memory|"
                     r"Input/output error|invalid page in block).*$", re.MULTILINE)


def scheduled(file: Path) -> list[str]:
    """The tests that a schedule names."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [name for line in lines if line.startswith("test:") for name in line.split()[1:]]


def verdicts(output: str) -> dict[str, str]:
    """What each test came to: ok, or another word."""
    return dict(VERDICT.findall(output))


def trouble(log: Path) -> str:
    """Lines of the server's log that no server has."""
    return "\n".join(TROUBLE.findall(log.read_text(encoding="utf-8", errors="replace"))[:20])
