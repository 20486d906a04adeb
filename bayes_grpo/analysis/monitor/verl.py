"""Record a verl run from a training loop of one's own: a logger for verl's `Tracking`.

In: what the loop hands to its trackers. Out: a log that the readers know, its hyperparameters beside it, and alarms.
verl itself is not imported.
"""

import json
import math
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.runs.fields import RUN_FIELDS, check_hyperparameters
from bayes_grpo.runs.files import end_last_line, write_atomically

#: False alarms per 1,000 steps of a healthy run, as of `bayes-grpo monitor`.
FALSE_ALARMS = 0.3


class VerlLogger:
    """One of the loggers that verl's ``Tracking`` holds by name: ``tracking.logger["bayes_grpo"] = VerlLogger(...)``.

    Each call of `log` appends a line as verl's own file logger writes it, ``{"step": ..., "data": {...}}``. A log that
    is there is continued, where verl's file logger begins it anew. Nothing that goes wrong stops the training: it is
    said once, as a warning, and stands in ``failure``.

    Parameters
    ----------
    path : str or Path
        The log to write, ending in ``.jsonl``. Its hyperparameters go to ``.hyperparameters.json`` beside it.
    config : mapping, optional
        verl's configuration, nested or flat, as `Tracking` gets it; group size, prompts, momentum, updates on a batch
        and planned steps are taken from it.
    hyperparameters : mapping, optional
        What the configuration does not tell, by the names of `bayes_grpo.runs.fields.RUN_FIELDS`, as ``{"reward_lower":
        0, "reward_upper": 1}``; it wins over the configuration.
    on_alarm : callable, optional
        Called with a sentence when the reward has fallen. The log is then tested after each row.
    false_alarms : float
        Per 1,000 steps of a healthy run.

    Raises
    ------
    InputError
        If the path does not end in ``.jsonl`` or cannot be written, or a hyperparameter is impossible.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import bayes_grpo
    >>> path = Path(tempfile.mkdtemp()) / "run.jsonl"
    >>> logger = bayes_grpo.VerlLogger(path, {"actor_rollout_ref": {"rollout": {"n": 8}}})
    >>> for step in range(1, 7):
    ...     logger.log({"critic/rewards/mean": 0.1 * step, "actor/lr": 1e-6}, step=step)
    >>> run = bayes_grpo.read_run(path)
    >>> run.sizes["step"], float(run["group_size"][0])
    (6, 8.0)
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any] | None = None,
        *,
        hyperparameters: Mapping[str, Any] | None = None,
        on_alarm: Callable[[str], object] | None = None,
        false_alarms: float = FALSE_ALARMS,
    ) -> None:
        self.path, self.on_alarm, self.false_alarms = Path(path), on_alarm, false_alarms
        self.failure: str | None = None
        self._monitor: Any = None
        if self.path.suffix != ".jsonl":
            raise InputError(str(path), f"expected a name that ends in .jsonl, found {self.path.name!r}")
        known = _from_config(config or {}) | check_hyperparameters("hyperparameters", hyperparameters or {})
        try:
            self._begin(known)
        except OSError as error:
            raise InputError(str(path), f"cannot be written ({error.strerror}); give another path") from error

    def _begin(self, known: Mapping[str, float]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if known:
            text = json.dumps(dict(known), indent=1)
            write_atomically(self.path.with_suffix(".hyperparameters.json"), text.encode())
        end_last_line(self.path)
        self._append(b"")

    def _append(self, line: bytes) -> None:
        """Hand a line to the operating system at once, so that a killed trainer loses nothing that was logged."""
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def log(self, data: Mapping[str, Any], step: int) -> None:
        """Append a row; called by ``Tracking.log``.

        Parameters
        ----------
        data : mapping
            Figures by verl's names; what is no finite number is left out.
        step : int
            verl's step, which counts batches of rollouts.
        """
        if self.failure is not None:
            return
        try:
            row = {
                "step": int(step),
                "data": {str(key): x for key, value in data.items() if (x := _number(value)) is not None},
            }
            self._append(json.dumps(row).encode() + b"\n")
            if self.on_alarm is not None:
                self._test(self.on_alarm)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            warnings.warn(f"bayes_grpo records no further: {self.failure}; training goes on", stacklevel=2)

    def _test(self, on_alarm: Callable[[str], object]) -> None:
        """Test the log, and tell alarms that are new."""
        from bayes_grpo.analysis.monitor.follow import Monitor
        from bayes_grpo.analysis.monitor.outlets import alarm_sentence
        from bayes_grpo.readers import read_runs

        if self._monitor is None:
            self._monitor = Monitor(self.path, lambda path: read_runs(path, appended="last"), self.false_alarms)
        look = self._monitor.look()
        for alarm in look.new if look is not None else ():
            on_alarm(alarm_sentence(look.run, alarm, self.false_alarms))


def _from_config(config: Mapping[str, Any]) -> dict[str, float]:
    """What verl's configuration says of a run, by the names of `bayes_grpo.runs.fields.RUN_FIELDS`."""
    from bayes_grpo.readers.trainers.verl import hyperparameters

    values = hyperparameters(_flat(config))
    return {name: float(v) for name, v in values.items() if v is not None and RUN_FIELDS[name].allows(v)}


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """One level of keys, also of mappings that are no dict, as those of OmegaConf are not."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}/") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _number(value: Any) -> float | None:
    """A finite number, of any library; None for everything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, str) else None
