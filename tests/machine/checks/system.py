# SPDX-License-Identifier: GPL-2.0
"""Whether systemd brought everything up."""

import subprocess

import suite

# Of the machine's start, under emulation.
SECONDS = 240 * suite.PATIENCE


def checks():
    # The start is over when no job is left; a unit that failed makes it "degraded".
    done = subprocess.run(["systemctl", "is-system-running", "--wait"], stdout=subprocess.PIPE, text=True,
                          check=False, timeout=SECONDS)
    failed = subprocess.run(["systemctl", "--failed", "--plain", "--no-legend"], stdout=subprocess.PIPE, text=True, check=True)
    yield "the machine comes up, and no unit fails", "" if done.returncode == 0 else f"{done.stdout}{failed.stdout}"
    for unit in ("dbus", "systemd-logind", "systemd-udevd", "systemd-journald", "postgresql@17-main"):
        state = subprocess.run(["systemctl", "is-active", unit], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
        yield f"{unit} runs", "" if state == "active" else state
