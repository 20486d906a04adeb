"""The learning rate of the steps to come: continued from the log, assumed, or read from a file."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.runs.decays import CLOSE, LEAST, Decay, recognise

#: What a schedule may be called; anything else is a file.
SCHEDULES = ("planned", "constant", "linear", "cosine")


class Schedule(NamedTuple):
    """Learning rate in the unit of the log at given steps, how it goes on, and what was assumed ('' if nothing)."""

    rate: np.ndarray
    words: str
    assumed: str


def check_schedule(schedule: str | Path) -> None:
    """Refuse what is neither a schedule's name nor a file.

    Raises
    ------
    InputError
        If it is so.
    """
    if schedule not in SCHEDULES and not Path(schedule).is_file():
        raise InputError(
            "schedule", f"expected one of {', '.join(SCHEDULES)}, or a CSV file; found {schedule}, which is no file"
        )


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
        ``planned``: the closed form that the rates follow since their last break (see `bayes_grpo.runs.decays`);
        ``constant``: the last logged rate; ``linear``, ``cosine``: that decay from the peak to zero at
        ``planned_steps``; or a CSV file with the columns step and learning_rate that covers the steps.
    planned_steps : float, optional
        Step at which a decay ends, if known.

    Raises
    ------
    InputError
        If a file cannot be read or does not cover the steps, or a decay has no end.
    """
    check_schedule(schedule)
    if schedule not in SCHEDULES:
        return _from_file(run, steps, Path(schedule))
    step, rate = _logged(run)
    if rate.size == 0:
        if schedule in ("linear", "cosine"):
            raise InputError(
                str(run["run"].values),
                f"schedule {schedule}: the log holds no learning rate to go on from; give a file",
            )
        text = "" if schedule == "constant" else "learning rate not logged: taken as constant; state --schedule FILE"
        return Schedule(np.ones(steps.size), "constant", text)
    if schedule == "constant":
        return Schedule(np.full(steps.size, rate[-1]), "constant", "")
    if schedule in ("linear", "cosine"):
        begin = float(step[int(np.argmax(rate))])
        if planned_steps is None or planned_steps <= begin:
            raise InputError(
                str(run["run"].values),
                f"schedule {schedule}: the step it ends at is unknown; state --planned-steps with the log, or give a "
                "file",
            )
        decay = Decay(str(schedule), begin, planned_steps, float(rate.max()), 0.0, 0.0, True)
        return Schedule(decay.rate(steps), f"{schedule} to {planned_steps:g}", "")
    return _continued(step, rate, steps, planned_steps)


def _logged(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    if "learning_rate" not in run:
        return np.zeros(0), np.zeros(0)
    known = np.isfinite(run["learning_rate"].values)
    return run["optimizer_step"].values[known], run["learning_rate"].values[known]


def _continued(step: np.ndarray, rate: np.ndarray, steps: np.ndarray, planned_steps: float | None) -> Schedule:
    """The closed form that the logged rates have followed since their last break."""
    last = rate[-1]
    constant = Schedule(np.full(steps.size, last), "constant", "")
    if rate.size > 1 and rate[-1] > rate[-2] * (1 + CLOSE):
        return constant._replace(
            assumed="the learning rate is still rising: taken as constant from here; state --schedule"
        )
    same = _same_since(rate)
    if same == 0 or rate.size - same >= LEAST or last >= rate.max() * (1 - CLOSE):
        return constant if same == 0 else constant._replace(words=f"constant since step {step[same]:g}")
    decay = recognise(step, rate, planned_steps)
    if decay is None:
        return constant._replace(
            assumed="the logged learning rate follows neither a constant, a linear nor a cosine schedule: taken as "
            f"constant from here; state {'--planned-steps N or ' if planned_steps is None else ''}--schedule FILE"
        )
    return Schedule(np.maximum(decay.rate(steps), 0), _words(decay, rate, planned_steps), "")


def _same_since(rate: np.ndarray) -> int:
    """The first row from which on the rate is the last one."""
    other = np.flatnonzero(np.abs(rate - rate[-1]) > CLOSE * rate[-1])
    return int(other[-1]) + 1 if other.size else 0


def _words(decay: Decay, rate: np.ndarray, planned_steps: float | None) -> str:
    """A decay in words, with the step since which the rates follow it where they did something else before."""
    end = planned_steps if decay.planned and planned_steps is not None else round(decay.end)
    floor = f" and {decay.floor:.3g}" if decay.floor > CLOSE * rate.max() else ""
    since = f" since step {decay.since:g}" if decay.height + decay.floor < rate.max() * (1 - 0.02) else ""
    return f"{decay.shape} decay to step {end:g}{floor}{since}"


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
