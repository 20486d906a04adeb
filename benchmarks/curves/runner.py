"""Runs forecasters on all series from all origins, in one process, and goes on where it stopped."""

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curves.contract import ORIGINS, Forecaster, cut
from benchmarks.curves.scores import predicted, scored
from benchmarks.curves.series import Series


def run(
    series: Sequence[Series],
    forecasters: Mapping[str, Forecaster],
    folder: Path,
    origins: Sequence[float] = ORIGINS,
    keep_draws: bool = False,
) -> None:
    """Score what is not in ``folder/scores.jsonl`` yet, a line of JSON a series, origin and forecaster.

    A forecaster that fails gets a line with the error and no scores; the benchmark goes on. ``keep_draws`` writes the
    draws of the block means and the log densities as well, from which mixtures of forecasters can be scored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "scores.jsonl"
    done = {(row["label"], row["origin"], row["forecaster"]) for row in rows_of(out)}
    for number, each in enumerate(series):
        rewards = each.run["reward"].values[0]
        for origin in origins:
            missing = [name for name in forecasters if (each.label, origin, name) not in done]
            if not missing:
                continue
            case, truth = cut(each, origin, seed=number)
            about = {
                "label": each.label,
                "repository": each.repository,
                "kind": each.kind,
                "origin": origin,
                "rewards": rewards.size,
                "remaining_over_logged": float((case.ahead[-1] - case.steps[-1]) / max(case.steps[-1], 1.0)),
            }
            for name in missing:
                began = time.perf_counter()
                row = about | {"forecaster": name}
                try:
                    forecast = forecasters[name](case)
                    row["seconds"] = round(time.perf_counter() - began, 3)
                    row["log_evidence"] = round(float(forecast.log_evidence), 4)
                    said = predicted(forecast, truth, number)
                    row |= scored(said, truth, float(rewards.std()))
                    if keep_draws:
                        _keep(folder / "draws", row, said.blocks, said.log_density, truth, float(rewards.std()))
                except Exception as error:  # a faulty forecaster does not end the benchmark; the report counts them
                    row["failed"] = f"{type(error).__name__}: {error}"[:300]
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            print(each.label, origin, file=sys.stderr, flush=True)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Lines of a file of scores; none where it is missing. A line that was cut off by an interruption is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def draws_path(folder: Path, row: Mapping[str, Any]) -> Path:
    """Where the draws of a line are kept."""
    name = re.sub(r"[^\w.=-]+", "_", f"{row['label']}@{row['origin']}@{row['forecaster']}")
    return folder / f"{name}.npz"


def _keep(
    folder: Path,
    row: Mapping[str, Any],
    blocks: np.ndarray,
    log_density: np.ndarray,
    truth: np.ndarray,
    sd: float,
) -> None:
    from benchmarks.curves.scores import block_means

    folder.mkdir(exist_ok=True)
    np.savez(
        draws_path(folder, row),
        blocks=(blocks / sd).astype(np.float32),
        log_density=log_density + np.log(sd),
        truth=block_means(truth) / sd,
    )
