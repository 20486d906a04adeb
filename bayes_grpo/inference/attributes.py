"""What a fit knows of its runs, typed: written by `bayes_grpo.fit`, read by everything that answers from a fit."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError, Note, read_notes, write_notes
from bayes_grpo.inference.importance.quality import Quality
from bayes_grpo.inference.layout import Prepared
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import hyperparameters_of


def describe(spec: ModelSpec, prepared: Prepared) -> dict[str, str]:
    """Attributes of a fit that say what it is of: runs, model, hyperparameters and what was assumed."""
    labels = [str(run["run"].values) for run in prepared.runs]
    values = [setting.values for setting in prepared.settings]
    masses = {value["closed_form_mass"] for value in values}
    known = spec.law.fixed(masses.pop())
    if masses:  # runs of different momentum: no single mass
        known.pop("mass", None)
    stated = [hyperparameters_of(run) for run in prepared.runs]
    assumed = [[Note("assumption", *item) for item in setting.assumptions.items()] for setting in prepared.settings]
    alone = not spec.pooled
    return _as_read(prepared.runs) | {
        "run": labels[0] if alone else f"{len(labels)} runs",
        "model": spec.name,
        "model_file": spec.history,
        "hyperparameters": json.dumps(stated[0] if alone else dict(zip(labels, stated, strict=True))),
        "quantities": json.dumps(values[0] if alone else dict(zip(labels, values, strict=True))),
        "assumptions": write_notes(_gathered(labels, assumed)),
        "fixed": json.dumps(known),
    }


def _as_read(runs: Sequence[xr.Dataset]) -> dict[str, str]:
    """Where runs, each with dims (step), were read, and what their readers guessed or dropped: a line each."""
    labels = [str(run["run"].values) for run in runs]
    lines = [[Note("reading", "", line) for line in str(run["notes"].values).split("\n")] for run in runs]
    return {
        "source": "\n".join(str(run["source"].values) for run in runs),
        "notes": "\n".join(note.text for note in _gathered(labels, lines)),
    }


def attributes_of_run(fit: xr.DataTree, run: str) -> dict[str, str]:
    """The attributes of a fit of several runs that would differ, were it of one of these runs alone."""
    return _as_read([runs_of(fit).sel(run=run)]) | {
        "run": run,
        "quantities": json.dumps(quantities(fit, run)),
        "hyperparameters": json.dumps(hyperparameters(fit, run)),
    }


def _gathered(labels: Sequence[str], notes: Sequence[Sequence[Note]]) -> list[Note]:
    """Notes of several runs, each once, with the runs it holds for unless that is all of them."""
    where: dict[Note, list[str]] = {}
    for label, notes_of_run in zip(labels, notes, strict=True):
        for note in notes_of_run:
            if note.text:
                where.setdefault(note, []).append(label)
    return [
        note
        if len(runs) == len(labels)
        else note._replace(text=f"{', '.join(runs[:3])}{' ...' if runs[3:] else ''}: {note.text}")
        for note, runs in where.items()
    ]


def pooled(fit: xr.DataTree) -> bool:
    """Whether the fit is of several runs together."""
    return "run" in fit["posterior"].dims


def run_labels(fit: xr.DataTree) -> list[str]:
    """Labels of the runs that the fit is of."""
    return (
        [str(label) for label in fit["posterior"].to_dataset()["run"].values]
        if pooled(fit)
        else [str(fit.attrs["run"])]
    )


def quantities(fit: xr.DataTree, run: str | None = None) -> dict[str, float]:
    """Known and assumed quantities of a run (see `bayes_grpo.inference.quantities.Setting`); name one of several runs.

    Raises
    ------
    InputError
        If the fit is of several runs and ``run`` names none of them.
    """
    return _of_run(fit, "quantities", run)


def hyperparameters(fit: xr.DataTree, run: str | None = None) -> dict[str, float]:
    """Hyperparameters of a run as they were read or stated; name one of several runs."""
    return _of_run(fit, "hyperparameters", run)


def _of_run(fit: xr.DataTree, name: str, run: str | None) -> dict[str, float]:
    values: dict[str, Any] = json.loads(fit.attrs[name])
    if not pooled(fit):
        return values
    if run not in values:
        listed = "nothing" if run is None else repr(run)
        raise InputError(f"fit {fit.attrs['run']}", f"run: expected one of {', '.join(values)}, found {listed}")
    of_run: dict[str, float] = values[run]
    return of_run


def fixed(fit: xr.DataTree) -> dict[str, float]:
    """Quantities that the law itself fixes."""
    values: dict[str, float] = json.loads(fit.attrs["fixed"])
    return values


def assumptions(fit: xr.DataTree) -> tuple[Note, ...]:
    """What was assumed because no log told it; the subject is the quantity."""
    return read_notes(fit.attrs["assumptions"], "assumption")


def reading_notes(fit: xr.DataTree) -> tuple[Note, ...]:
    """What the reader of the log guessed or dropped."""
    return tuple(Note("reading", "", line) for line in fit.attrs["notes"].split("\n") if line)


def notes(fit: xr.DataTree) -> tuple[Note, ...]:
    """All that was said of the runs when they were read and laid out: assumptions, then what the reader guessed."""
    return assumptions(fit) + reading_notes(fit)


def sampler_of(fit: xr.DataTree) -> Sampler:
    """How the fit was sampled; fits of version 0.1.0 were all sampled by NUTS."""
    numbers = {name: int(fit.attrs[name]) for name in ("seed", "draws", "tune", "chains")}
    return Sampler(
        fit.attrs.get("method", "nuts"),
        fit.attrs["backend"],
        target_accept=float(fit.attrs["target_accept"]),
        **numbers,
    )


def quality_of(fit: xr.DataTree) -> Quality | None:
    """Diagnostics of importance sampling, where it was tried."""
    stored = json.loads(fit.attrs.get("importance", "null"))
    if stored is None:
        return None
    numbers: dict[str, Any] = {key: float("nan") if value is None else value for key, value in stored.items()}
    return Quality(**numbers)


def log_evidence_of(fit: xr.DataTree) -> float | None:
    """Log marginal likelihood of the rewards of a fit of one run; None where its sampler does not tell it."""
    evidence: float | None = json.loads(fit.attrs.get("log_evidence", "null"))
    return evidence


def versions(fit: xr.DataTree) -> dict[str, str]:
    """Versions of the packages that made the fit."""
    stored: dict[str, str] = json.loads(fit.attrs["versions"])
    return stored


def runs_of(fit: xr.DataTree) -> xr.Dataset:
    """The runs that a fit is of, dims (run, step)."""
    runs = fit["constant_data"].to_dataset().rename(row="step").drop_vars("step")
    return runs if "run" in runs.dims else runs.expand_dims(run=[fit.attrs["run"]])


def logged_of(fit: xr.DataTree) -> dict[str, np.ndarray]:
    """Steps and rewards of all rows with a reward, shape (row, 2), by run label."""
    out = {}
    for label, run in runs_of(fit).groupby("run", squeeze=False):
        rows = np.column_stack([run[name].values.ravel() for name in ("optimizer_step", "reward")])
        out[str(label)] = rows[np.isfinite(rows).all(1)]
    return out
