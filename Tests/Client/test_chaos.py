"""Under fire: thirty seconds of chaos.py, with two hosts and a broker, and a while with SQLite alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from stack import BINARIES


@pytest.mark.parametrize("given", [
    ["--seconds", "30", "--hosts", "2", "--nodes", "1"],
    ["--seconds", "10", "--nodes", "0"],
], ids=["two hosts and a broker", "SQLite alone"])
def test_nothing_accepted_is_lost_while_everything_is_killed(given, seed):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "chaos.py"), "--seed", seed, "--bin", BINARIES, *given],
        capture_output=True, text=True, timeout=280)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
