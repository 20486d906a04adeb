"""Forecast a TRL run while it trains: needs the extra `train`.

``forecast(trainer)`` before ``trainer.train()`` starts a process of low priority that fits the rewards logged so far,
again and again, and hands what it finds to the trackers the trainer logs to, under ``forecast/``. Each logged reward is
tested at once: alarms go to stderr, become alerts of trackio and W&B where the trainer reports to them, and go to a
webhook, a file of JSON lines and a file for Prometheus where these are named. The training waits for nothing.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback

from bayes_grpo.analysis.alarms import FALSE_ALARMS
from bayes_grpo.analysis.forecast.ahead import LEAST_REWARDS
from bayes_grpo.analysis.forecast.live import headline
from bayes_grpo.trl.alarms import TrainingAlarms
from bayes_grpo.trl.settings import hyperparameters

#: So many forecasts in a row must say stop before a training is stopped.
AGREEING = 2


def forecast(
    trainer: Any,
    *,
    stop: bool = False,
    every: int = 10,
    webhook: str | None = None,
    alarm_log: str | Path | None = None,
    prometheus: str | Path | None = None,
    **options: Any,
) -> "Forecaster":
    """Attach a `Forecaster` to a GRPOTrainer.

    Parameters
    ----------
    trainer : trl.GRPOTrainer
        Any GRPOTrainer, before training.
    stop : bool
        Whether to stop the training where `AGREEING` forecasts in a row recommend it.
    every : int
        Logged steps between two forecasts, at least; a forecast that takes longer is waited for, not queued.
    webhook : str, optional
        Address that alarms are posted to as JSON.
    alarm_log : str or Path, optional
        File that each alarm is added to, a line of JSON.
    prometheus : str or Path, optional
        Text file for Prometheus that holds the state of the test.
    **options
        Of `bayes_grpo.analysis.forecast.live.Refitter`: model, stability_model (names or paths), until, schedule,
        epsilon, seed, method, false_alarms.

    Raises
    ------
    InputError
        If the webhook is no address of HTTP.
    """
    rate = options.get("false_alarms", FALSE_ALARMS)
    alarms = TrainingAlarms(rate, webhook, alarm_log, prometheus)
    forecaster = Forecaster(trainer, stop=stop, every=every, options=options, alarms=alarms)
    trainer.add_callback(forecaster)
    return forecaster


class Forecaster(TrainerCallback):
    """Sends logged rewards to the forecasting process and logs its answers; never raises into the training.

    ``summaries`` holds all answers, each with ``asked_at``, the step that it was asked at; ``alarms`` tests rewards.
    """

    def __init__(
        self, trainer: Any, *, stop: bool, every: int, options: dict[str, Any], alarms: TrainingAlarms
    ) -> None:
        self.summaries: list[dict[str, Any]] = []
        self.failure: str | None = None
        self.alarms = alarms
        self._trainer, self._stop, self._every, self._options = trainer, stop, every, options
        self._rows: dict[str, list[float]] = {"optimizer_step": [], "reward": [], "learning_rate": []}
        self._facts: dict[str, Any] = {}
        self._process: subprocess.Popen[str] | None = None
        self._answers: list[dict[str, Any]] = []
        self._asked_at: int | None = None
        self._asked_rows = 0
        self._logging = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the forecasting process."""
        if not state.is_world_process_zero:
            return
        facts = hyperparameters(args, state.max_steps)
        known = ("group_size", "prompts_per_step", "momentum", "refresh_interval", "planned_steps")
        self._facts = {name: facts[name] for name in known}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bayes_grpo.trl.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"JAX_PLATFORMS": "cpu"},
            )
        except OSError as error:
            self._give_up(f"the forecasting process could not be started: {error}")
            return
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._answers.append(json.loads(line))

    def _give_up(self, reason: str) -> None:
        self._end()
        self.failure = reason
        warnings.warn(f"bayes_grpo forecasts no further: {reason}; training goes on", stacklevel=2)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Take in a logged reward: test it, and ask for a forecast where the last is done."""
        logs = logs or {}
        if self._logging or "reward" not in logs or not state.is_world_process_zero:
            return
        self.alarms.test(args, state, logs["reward"])
        if self._process is None:
            return
        row = logs | {"optimizer_step": state.global_step}
        try:
            values = {name: float(row.get(name, math.nan)) for name in self._rows}
        except (TypeError, ValueError) as error:
            self._give_up(f"a logged value is no number ({error})")
            return
        for name, value in values.items():
            self._rows[name].append(value)
        grown = len(self._rows["reward"]) - self._asked_rows
        if self._asked_at is None and len(self._rows["reward"]) >= LEAST_REWARDS and grown >= self._every:
            self._ask(state)

    def _ask(self, state: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        facts = self._facts | {"logging_window": max(1, int(state.logging_steps))}
        request = {"rows": self._rows, "hyperparameters": facts, "options": self._options}
        line = json.dumps(request) + "\n"
        # A pipe holds little: the training must not wait for the other end.
        threading.Thread(target=_send, args=(self._process, line), daemon=True).start()
        self._asked_at, self._asked_rows = state.global_step, len(self._rows["reward"])

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log a forecast that has come in; stop, after this step, if that was asked for."""
        if self._process is not None and self._process.poll() is not None:
            self._give_up(f"the forecasting process has ended (exit code {self._process.returncode})")
        if not self._answers or self._asked_at is None:
            return
        answer = self._answers.pop(0) | {"asked_at": self._asked_at}
        self._asked_at = None
        if "error" in answer:
            self._give_up(answer["error"])
            return
        self.summaries.append(answer)
        self._logging = True
        # Between steps, for a log at a step's end would replace the trainer's own; and not TRL's `log`, which would
        # hand out the means it is still collecting.
        Trainer.log(self._trainer, {f"forecast/{name}": value for name, value in headline(answer).items()})
        self._logging = False
        last = self.summaries[-AGREEING:]
        agree = len(last) == AGREEING and all(s["converged"] and s["recommendation"]["action"] == "stop" for s in last)
        if self._stop and agree:
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End the forecasting process."""
        self._end()
        self.alarms.close()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _send(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):  # it has ended: seen at the next step
        process.stdin.write(line)
        process.stdin.flush()
