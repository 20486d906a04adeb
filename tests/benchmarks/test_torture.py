"""A short torture; `python -m benchmarks.torture --kills 100` is the long one, with fits, batches and trainings."""

import subprocess
import sys

import pytest

from tests.common import LIMIT, ROOT


@pytest.mark.parametrize(("kind", "kills"), [("save", 4), ("watch", 1)])
def test_nothing_is_half_at_any_moment(kind: str, kills: int) -> None:
    command = [sys.executable, "-m", "benchmarks.torture", kind, "--kills", str(kills)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{kind}: {kills} kills, 0 faults"
