"""Training logs in, run Datasets out. The format is found by content, not by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

import bayes_grpo.runs
from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Reading, reading_note
from bayes_grpo.readers.logs import read_log
from bayes_grpo.runs.dataset import combine

__all__ = ["Reading", "example_run", "read_log", "read_run", "read_runs"]

#: The log that comes with the package: a TRL run of a small transformer on addition modulo 3.
EXAMPLE = Path(bayes_grpo.runs.__file__).parent / "bundled" / "arithmetic_grpo"


def read_run(
    path: str | Path,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    hyperparameters_file: str | Path | None = None,
    reward_column: str | None = None,
    step_column: str | None = None,
    run_column: str | None = None,
    step_unit: str | None = None,
    columns: Mapping[str, str] | None = None,
    appended: int | str = "",
    name: str | None = None,
) -> xr.Dataset:
    """Read a training log.

    Parameters
    ----------
    path : str or Path
        A file, or a folder with one or more runs, in any of the formats of the documentation: TRL's and other trainers'
        logs, console output, tables, TensorBoard, W&B, trackio; runs saved by `bayes_grpo.save_runs` (.nc); or the
        address of a W&B run, ``wandb:ENTITY/PROJECT/RUN``.
    hyperparameters : mapping, optional
        What a hyperparameters file may hold: per-run values by the names of `bayes_grpo.runs.fields.RUN_FIELDS`, and
        ``spread``, ``trl_version``, ``optimizer``, ``scale_rewards``, ``notes``, ``name``; they win over the file's.
    hyperparameters_file : str or Path, optional
        TOML or JSON; else ``LOG.hyperparameters.toml`` or ``hyperparameters.toml`` (or .json) beside the log is taken.
    reward_column, step_column, run_column : str, optional
        Columns of a table; the first two are guessed where not named, and the guess is noted.
    step_unit : {"optimizer", "rollout"}, optional
        What the log's steps count: optimizer updates, or batches of rollouts; else what its trainer is known to count.
    columns : mapping, optional
        Columns of the log by the names of `bayes_grpo.runs.fields.STEP_FIELDS`, or expressions of them, as
        ``{"zero_spread_share": "skipped / (skipped + kept)"}``.
    appended : int or str, optional
        Which of several runs in one file: a number from 1, or ``"last"``.
    name : str, optional
        Label of the run; else the log's own, the folder's or the file's name.

    Returns
    -------
    xarray.Dataset
        Dims (run, step); several runs where the log holds several, or with ``run_column``.

    Raises
    ------
    InputError
        Naming file, field, what was found and the cure; all faults at once.
    """
    return combine(
        read_runs(
            path,
            hyperparameters=hyperparameters,
            hyperparameters_file=hyperparameters_file,
            reward_column=reward_column,
            step_column=step_column,
            run_column=run_column,
            step_unit=step_unit,
            columns=columns,
            appended=appended,
            name=name,
        )
    )


def example_run() -> xr.Dataset:
    """The real GRPO run that comes with the package.

    Returns
    -------
    xarray.Dataset
        One run of 380 optimizer steps, dims (run, step).

    Examples
    --------
    >>> import bayes_grpo
    >>> run = bayes_grpo.example_run()
    >>> run.sizes["step"], float(run["group_size"][0])
    (380, 8.0)
    """
    return read_run(EXAMPLE)


def read_runs(path: str | Path, **options: Any) -> list[xr.Dataset]:
    """Read a training log as one Dataset a run, for runs that cannot be joined; parameters as of `read_run`."""
    readings, faults = read_log(path, **options)
    if faults and not readings:
        raise faults[0] if len(faults) == 1 else InputError(str(path), [str(fault) for fault in faults])
    if faults:
        readings[0].add_notes(*(reading_note(fault.where, f"left out {fault}") for fault in faults))
    return [reading.run for reading in readings]
