"""What tests of readers share: a log written and read, and what was read."""

from pathlib import Path

from bayes_grpo.readers import Reading, read_log


def read(path: Path, text: str) -> Reading:
    """The one reading of a text written to a path, without a fault."""
    path.write_text(text, encoding="utf-8")
    readings, faults = read_log(path)
    assert not faults and len(readings) == 1
    return readings[0]


def values(reading: Reading, name: str) -> list[float]:
    """A variable of a reading's run."""
    found: list[float] = reading.run[name].values[0].tolist()
    return found
