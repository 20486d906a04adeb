"""Rows under a trainer's names, written and read back."""

import json
from pathlib import Path

from tests.readers.files import RATES, REWARDS, N


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(columns: dict[str, object], step: str = "step", start: int = 1) -> list[dict]:
    """Rows with the run's rewards under a name, and constants under the others."""
    names = {"REWARD": REWARDS, "RATE": RATES}
    return [
        {step: start + i} | {key: names[value][i] if value in names else value for key, value in columns.items()}
        for i in range(N)
    ]


def values(run, name: str) -> list[float]:
    return run[name].values[0].tolist()
