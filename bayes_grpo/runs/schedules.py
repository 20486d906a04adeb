"""The learning rate of the steps to come: continued from the log, assumed, or read from a file."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError

#: What a schedule may be called; anything else is a file.
SCHEDULES = ("planned", "constant", "linear", "cosine")
#: A logged rate follows a closed form where it never departs from it by more than this share of the peak.
_CLOSE = 2e-3
#: Rates after the peak that are needed to recognise a decay.
_LEAST = 5


class Schedule(NamedTuple):
    """Learning rate in the unit of the log at given steps, how it goes on in words, and what was assumed ('' if nothing)."""

    rate: np.ndarray
    words: str
    assumed: str


def schedule_ahead(
    run: xr.Dataset, steps: np.ndarray, schedule: str | Path, planned_steps: float | None = None
) -> Schedule:
    """Learning rate at steps after the last logged one.

    Parameters
    ----------
    run : xarray.Dataset
        A single run, dims (step).
    steps : numpy.ndarray
        Optimizer steps, increasing.
    schedule : str or Path
        ``planned``: constant, linear decay or cosine decay, whichever the log follows; ``constant``: the last logged
        rate; ``linear``, ``cosine``: that decay from the peak to zero at ``planned_steps``; or a CSV file with the columns
        step and learning_rate that covers the steps.
    planned_steps : float, optional
        Step at which a decay ends, if known.

    Raises
    ------
    InputError
        If a file cannot be read or does not cover the steps, or a decay has no end.
    """
    if schedule not in SCHEDULES:
        return _from_file(run, steps, Path(schedule))
    step, rate = _logged(run)
    if rate.size == 0:
        if schedule in ("linear", "cosine"):
            raise InputError(
                str(run["run"].values),
                f"schedule {schedule}: the log holds no learning rate to go on from; give a file",
            )
        said = "" if schedule == "constant" else "learning rate not logged: taken as constant; state --schedule FILE"
        return Schedule(np.ones(steps.size), "constant", said)
    if schedule == "constant":
        return Schedule(np.full(steps.size, rate[-1]), "constant", "")
    peak_at = int(np.flatnonzero(rate >= rate.max() * (1 - _CLOSE))[-1])
    if schedule in ("linear", "cosine"):
        begin = float(step[int(np.argmax(rate))])
        if planned_steps is None or planned_steps <= begin:
            raise InputError(
                str(run["run"].values),
                f"schedule {schedule}: the step it ends at is unknown; state --planned-steps with the log, or give a file",
            )
        decay = _DECAYS[str(schedule)]
        return Schedule(decay(steps, begin, planned_steps, rate.max()), f"{schedule} to {planned_steps:g}", "")
    return _continued(step, rate, steps, peak_at, planned_steps)


def _logged(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    if "learning_rate" not in run:
        return np.zeros(0), np.zeros(0)
    known = np.isfinite(run["learning_rate"].values)
    return run["optimizer_step"].values[known], run["learning_rate"].values[known]


def _linear(steps: np.ndarray, begin: float, end: float, peak: float) -> np.ndarray:
    rate: np.ndarray = peak * np.clip((end - steps) / (end - begin), 0, 1)
    return rate


def _cosine(steps: np.ndarray, begin: float, end: float, peak: float) -> np.ndarray:
    rate: np.ndarray = peak * (1 + np.cos(np.pi * np.clip((steps - begin) / (end - begin), 0, 1))) / 2
    return rate


_DECAYS: dict[str, Callable[[np.ndarray, float, float, float], np.ndarray]] = {"linear": _linear, "cosine": _cosine}


def _continued(
    step: np.ndarray, rate: np.ndarray, steps: np.ndarray, peak_at: int, planned_steps: float | None
) -> Schedule:
    """The closed form that the logged rate has followed since its peak."""
    peak, last = rate.max(), rate[-1]
    constant = Schedule(np.full(steps.size, last), "constant", "")
    if peak_at == rate.size - 1:  # never below the peak: constant, or still rising
        rising = rate.size > 1 and rate[-1] > rate[-2] * (1 + _CLOSE)
        said = "the learning rate is still rising: taken as constant from here; state --schedule" if rising else ""
        return constant._replace(assumed=said)
    for begin in sorted({int(np.argmax(rate)), peak_at}):  # a cosine stays near its peak for a while
        begins, after, seen = step[begin], step[begin:], rate[begin:]
        for name, decay in _DECAYS.items() if seen.size >= _LEAST else ():
            end = _end(decay, after, seen, peak, planned_steps)
            if np.abs(decay(after, begins, end, peak) - seen).max() < _CLOSE * peak:
                return Schedule(decay(steps, begins, end, peak), f"{name} decay to step {end:.0f}", "")
    return constant._replace(
        assumed="the logged learning rate follows neither a constant, a linear nor a cosine schedule: taken as constant from "
        "here; state --schedule FILE"
    )


def _end(
    decay: Callable[[np.ndarray, float, float, float], np.ndarray],
    steps: np.ndarray,
    rate: np.ndarray,
    peak: float,
    planned_steps: float | None,
) -> float:
    """Step at which a decay that fits the logged rates best reaches zero."""
    share = np.clip(rate[-1] / peak, 0, 1)
    gone = 1 - share if decay is _linear else np.arccos(2 * share - 1) / np.pi
    ends = [steps[0] + (steps[-1] - steps[0]) / max(gone, 1e-9)]
    if planned_steps is not None and planned_steps > steps[0]:
        ends += [planned_steps, planned_steps + 1]  # trainers log the rate before or after the update
    error = [np.abs(decay(steps, steps[0], end, peak) - rate).max() for end in ends]
    return float(ends[int(np.argmin(error))])


def _from_file(run: xr.Dataset, steps: np.ndarray, path: Path) -> Schedule:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            str(path), f"expected one of {', '.join(SCHEDULES)}, or a CSV file that can be read: {error}"
        ) from error
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames is None or not {"step", "learning_rate"} <= set(rows.fieldnames):
        found = ", ".join(rows.fieldnames or ["nothing"])
        raise InputError(str(path), f"expected the columns step and learning_rate, found {found}")
    faults, step, rate = [], [], []
    for number, row in enumerate(rows, start=2):
        try:
            step.append(float(row["step"]))
            rate.append(float(row["learning_rate"]))
        except (TypeError, ValueError):
            faults.append(f"line {number}: expected two numbers, found {row['step']!r}, {row['learning_rate']!r}")
            continue
        if not (np.isfinite(step[-1]) and np.isfinite(rate[-1]) and rate[-1] >= 0):
            faults.append(f"line {number}: expected a finite step and a learning rate of at least 0")
    if not faults and not step:
        faults.append("expected rows, found none")
    if not faults and (min(step) > steps[0] or max(step) < steps[-1]):
        faults.append(
            f"expected rates from step {steps[0]:g} to {steps[-1]:g}, found {min(step):g} to {max(step):g}; add rows"
        )
    if faults:
        raise InputError(str(path), faults[:20])
    order = np.argsort(step, kind="stable")
    found = np.interp(steps, np.array(step)[order], np.array(rate)[order])
    if _logged(run)[1].size:
        return Schedule(found, f"from {path.name}", "")
    if found[0] <= 0:
        raise InputError(
            str(path), f"expected a positive rate at step {steps[0]:g}: the log holds none to relate it to"
        )
    said = f"learning rate not logged: {path.name} is taken relative to its rate at step {steps[0]:g}"
    return Schedule(found / found[0], f"from {path.name}", said)
