# SPDX-License-Identifier: GPL-2.0
"""One step of a program's work, and how its result gets from the side that works to the suite that reports."""

import json
import time
from dataclasses import dataclass
from typing import Callable, Optional

import suite


@dataclass(frozen=True)
class Step:
    name: str
    outcome: suite.Outcome
    # What must be the same on every file system, if anything.
    product: Optional[str] = None
    note: str = ""

    def line(self) -> str:
        return json.dumps({"name": self.name, "kind": self.outcome.kind, "why": self.outcome.why,
                           "product": self.product, "note": self.note})


def from_line(line: str) -> Optional[Step]:
    """The step, if the line is one and not something that a program has said."""
    try:
        fields = json.loads(line)
        return Step(fields["name"], suite.Outcome(fields["kind"], fields["why"], True), fields["product"], fields["note"])
    except (ValueError, TypeError, KeyError):
        return None


def differences(ours: str, theirs: str) -> str:
    """What only one of two texts has, nothing if they are the same text."""
    if ours == theirs:
        return ""
    one, other = ours.splitlines(), theirs.splitlines()
    lines = [f"- {line}" for line in one if line not in set(other)] + [f"+ {line}" for line in other if line not in set(one)]
    return "\n".join([f"{len(lines)} lines differ:", *(line[:500] for line in lines[:20])])


def timed(name: str, work: Callable[[], tuple[suite.Outcome, Optional[str]]]) -> Step:
    """A step from its work, which gives an outcome and a product. What it raises has failed it."""
    begin = time.monotonic()
    try:
        outcome, product = work()
    except (OSError, RuntimeError, ValueError) as error:
        outcome, product = suite.broken(f"{type(error).__name__}: {error}"), None
    return Step(name, outcome, product, f"{time.monotonic() - begin:.1f} s")
