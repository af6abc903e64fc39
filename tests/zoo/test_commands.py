"""Every command, stopped while it still imports: one line, and the signal's exit status."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.zoo.runs import ROOT

COMMANDS = sorted(path.stem for path in (ROOT / "zoo/commands").glob("*.py") if path.stem != "__init__")


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for this signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks /proc whether a process has a handler")
@pytest.mark.parametrize("command", COMMANDS)
def test_stopped_at_its_beginning(command):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / f"scripts/{command}.py"), *(["one", "two"] if command == "compare" else [])],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not catches(process.pid, signal.SIGTERM):
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == "\nStopped by SIGTERM.\n"
    assert process.returncode == 128 + signal.SIGTERM
