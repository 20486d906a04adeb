"""Training logs in, run Datasets out. The format is found by content, not by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.readers.files import Row, check_text, flatten, json_lines, load_json, table_rows
from bayes_grpo.readers.rows import Columns, resume
from bayes_grpo.readers.sidecar import find_sidecar, read_sidecar, spread_meaning
from bayes_grpo.schema import RUN_FIELDS, check_hyperparameters, combine, make_run
from bayes_grpo.store import load_runs

#: Keys that only TRL's trainer writes: such rows are means over the logging interval.
_TRL_KEYS = ("completions/mean_length", "completion_length", "frac_reward_zero_std", "train_runtime")


def read_run(
    path: str | Path,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    hyperparameters_file: str | Path | None = None,
    reward_column: str | None = None,
    step_column: str | None = None,
    run_column: str | None = None,
    name: str | None = None,
) -> xr.Dataset:
    """Read a training log.

    Parameters
    ----------
    path : str or Path
        TRL's ``trainer_state.json``, a checkpoint folder or an output folder; a list of log rows (JSON or JSONL, TRL or
        verl); a CSV, TSV or JSONL table with a step and a reward column; or runs saved by `bayes_grpo.save_runs` (.nc).
    hyperparameters : mapping, optional
        Per-run values by the names of `bayes_grpo.schema.RUN_FIELDS`; they win over the file's.
    hyperparameters_file : str or Path, optional
        TOML or JSON; else ``LOG.hyperparameters.toml`` or ``hyperparameters.toml`` (or .json) beside the log is taken.
    reward_column, step_column, run_column : str, optional
        Columns of a table; the first two are guessed where not named, and the guess is noted.
    name : str, optional
        Label of the run; else the folder's or file's name.

    Returns
    -------
    xarray.Dataset
        Dims (run, step); several runs only with ``run_column``.

    Raises
    ------
    InputError
        Naming file, field, what was found and the cure; all faults at once.
    """
    path = Path(path)
    if path.suffix == ".nc" and path.is_file():
        return _saved(path, hyperparameters or {}, name)
    log, folders = _locate(path)
    check_text(log)
    columns = Columns(str(log), reward_column, step_column, run_column)
    stated: dict[str, Any] = {}
    rows, is_trl = _rows(log, columns.notes, stated)
    runs = columns.gather(rows)
    notes = columns.notes
    sidecar = Path(hyperparameters_file) if hyperparameters_file else find_sidecar(log, folders)
    extras: dict[str, Any] = {}
    if sidecar is not None:
        told, extras = read_sidecar(sidecar)
        stated |= told
        notes.append(f"hyperparameters read from {sidecar.name}")
    explicit = {**stated, **(hyperparameters or {})}
    label = name or str(extras.get("name", "")) or _label(path, log)
    out = []
    for key, raw in runs.items():
        mine = list(notes)
        arrays = resume(str(log), raw, mine)
        settings = dict(explicit)
        if is_trl():
            _trl_window(arrays, settings, mine)
        out.append(
            make_run(
                key or label,
                arrays,
                settings,
                spread=spread_meaning(extras) if "reward_spread" in arrays else "unknown",
                source=str(log),
                notes=mine,
            )
        )
    return combine(out) if len(out) > 1 else out[0]


def _saved(path: Path, hyperparameters: Mapping[str, Any], name: str | None) -> xr.Dataset:
    """Runs in our own format, with what is stated now put over what they hold."""
    runs = load_runs(path)
    for key, value in check_hyperparameters(str(path), hyperparameters).items():
        runs[key] = (("run",), np.full(runs.sizes["run"], value), {"units": RUN_FIELDS[key].unit})
    if runs.sizes["run"] == 1 and name:
        runs = runs.assign_coords(run=[name])
    return runs.assign(source=(("run",), [str(path)] * runs.sizes["run"]))


def _locate(path: Path) -> tuple[Path, list[Path]]:
    """The log file of a path and the folders where its hyperparameters may lie."""
    if not path.is_dir():
        parent = path.parent
        return path, [parent, parent.parent] if parent.name.startswith("checkpoint-") else [parent]
    here = path / "trainer_state.json"
    if here.is_file():
        return here, [path, path.parent] if path.name.startswith("checkpoint-") else [path]
    checkpoints = [
        (int(state.parent.name.removeprefix("checkpoint-")), state)
        for state in path.glob("checkpoint-*/trainer_state.json")
        if state.parent.name.removeprefix("checkpoint-").isdigit()
    ]
    if checkpoints:
        newest = max(checkpoints)[1]
        return newest, [newest.parent, path]
    raise InputError(
        str(path),
        "expected trainer_state.json in the folder or in a checkpoint-N folder, found neither; name the log file itself, "
        "or call trainer.save_state() after training",
    )


def _label(path: Path, log: Path) -> str:
    """A name a reader recognises: the output folder's for TRL, else the file's."""
    if path.is_dir():
        folder = path.resolve()
        return folder.parent.name + "-" + folder.name if folder.name.startswith("checkpoint-") else folder.name
    generic = ("trainer_state", "log_history", "metrics", "step_logs", "trl_table", "verl_metrics", "reward_log")
    return log.resolve().parent.name if log.stem in generic else log.stem


def _rows(log: Path, notes: list[str], stated: dict[str, Any]) -> tuple[Any, Any]:
    """Rows of the log, and a function that tells, after they were read, whether TRL wrote them."""
    seen: dict[str, bool] = {}

    def watched(rows: Any) -> Any:
        for row in rows:
            if not seen and any(key in row for key in _TRL_KEYS):
                seen["trl"] = True
            yield row

    def is_trl() -> bool:
        return bool(seen)

    with log.open("rb") as file:
        first = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first not in (b"{", b"["):
        return watched(table_rows(log)), is_trl
    if first == b"{" and _is_json_lines(log):
        return watched(json_lines(log, notes)), is_trl
    content = load_json(log)
    if isinstance(content, dict):
        if not isinstance(content.get("log_history"), list):
            keys = ", ".join(list(content)[:8])
            raise InputError(str(log), f"log_history: expected TRL's list of log rows, found keys {keys or 'none'}")
        if isinstance(content.get("max_steps"), int) and content["max_steps"] > 0:
            stated["planned_steps"] = content["max_steps"]
        seen["trl"] = True
        content = content["log_history"]
    wrong = next((i for i, row in enumerate(content, 1) if not isinstance(row, dict)), None)
    if wrong is not None:
        raise InputError(str(log), f"row {wrong}: expected an object, found a {type(content[wrong - 1]).__name__}")
    rows: list[Row] = [flatten(row) for row in content]
    return watched(rows), is_trl


def _is_json_lines(log: Path) -> bool:
    """Whether a file that starts with an object has a whole object in its first line (or a cut one and no more)."""
    import json

    with log.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.strip():
                try:
                    whole = isinstance(json.loads(line), dict)
                except (json.JSONDecodeError, RecursionError):
                    return False
                # A single line holding a trainer state is a document, not a row.
                return whole and '"log_history"' not in line
    return False


def _trl_window(arrays: dict[str, np.ndarray], settings: dict[str, Any], notes: list[str]) -> None:
    """TRL logs means over its logging interval: the spacing of the rows is the window."""
    if "logging_window" in settings:
        return
    steps = arrays["optimizer_step"][np.isfinite(arrays["reward"])]
    gaps = np.diff(steps)
    if gaps.size and (gaps > 0).any():
        window = float(np.median(gaps[gaps > 0]))
        settings["logging_window"] = window
        if window > 1:
            notes.append(f"TRL rows {window:g} steps apart taken as means over {window:g} steps")
