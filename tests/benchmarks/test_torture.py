"""A short torture; `python -m benchmarks.torture --kills 100` is the long one, with fits and batches."""

import subprocess
import sys

from tests.common import LIMIT, ROOT


def test_a_file_is_whole_at_every_moment() -> None:
    command = [sys.executable, "-m", "benchmarks.torture", "save", "--kills", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("save: 4 kills, 0 faults")
