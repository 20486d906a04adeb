"""Alarms of a TRL run while it trains: each logged reward is tested at once, and alarms go to every outlet."""

import json
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayes_grpo.analysis.alarms import FALSE_ALARMS, Alarm, Detector, boundary_for
from bayes_grpo.analysis.monitor.follow import Look
from bayes_grpo.analysis.monitor.outlets import WEBHOOK_SECONDS, Outlets, alarm_row, alarm_sentence, check_webhook
from bayes_grpo.analysis.monitor.trackers import TRACKERS
from bayes_grpo.errors import InputError, printable


class TrainingAlarms:
    """Tests the rewards of one training; never raises into it, and what is wrong is a warning, said once.

    Parameters
    ----------
    false_alarms : float
        Per 1,000 steps of a healthy run.
    webhook : str, optional
        Address that alarms are posted to as JSON.
    alarm_log : str or Path, optional
        File that each alarm is added to, a line of JSON.
    prometheus : str or Path, optional
        Text file for Prometheus that holds the state of the test.

    Raises
    ------
    InputError
        If the webhook is no address of HTTP.
    """

    def __init__(
        self,
        false_alarms: float = FALSE_ALARMS,
        webhook: str | None = None,
        alarm_log: str | Path | None = None,
        prometheus: str | Path | None = None,
    ) -> None:
        if webhook is not None:
            check_webhook(webhook)
        self.raised: list[Alarm] = []
        self._false_alarms, self._webhook = false_alarms, webhook
        self._alarm_log = None if alarm_log is None else Path(alarm_log)
        self._file = Outlets(false_alarms, prometheus=None if prometheus is None else Path(prometheus))
        self._detector: Detector | None = None
        self._posts: list[threading.Thread] = []
        self._warned = False

    def test(self, args: Any, state: Any, reward: Any) -> None:
        """Take in a logged reward, and tell of an alarm where it has fallen.

        Parameters
        ----------
        args, state
            Of the trainer, as its callbacks get them.
        reward : float
            As logged.
        """
        run = args.run_name or "the run"
        try:
            if self._detector is None:
                self._detector = Detector(boundary_for(self._false_alarms, max(1, int(state.logging_steps))))
            alarm = self._detector.add(float(state.global_step), float(reward))
            if alarm is not None:
                self.raised.append(alarm)
                self.send(alarm, args.report_to or (), run)
            look = Look(run, state.global_step, self._detector.statistic, self._detector.boundary, [], self.raised)
            self._file.write_state(look)
        except (InputError, OSError, TypeError, ValueError) as error:
            if not self._warned:
                warnings.warn(f"bayes_grpo cannot test this reward, or tell of an alarm: {error}", stacklevel=2)
            self._warned = True

    def send(self, alarm: Alarm, trackers: Sequence[str], run: str) -> None:
        """Say an alarm on stderr, and send it to every outlet; a tracker's refusal is a warning.

        Parameters
        ----------
        alarm : Alarm
            What was raised.
        trackers : sequence of str
            What the trainer reports to.
        run : str
            Its name.
        """
        print(printable(alarm_sentence(run, alarm, self._false_alarms)), file=sys.stderr, flush=True)
        if self._webhook:  # it may be slow to answer, and the training waits for nothing
            self._posts.append(threading.Thread(target=self._post, args=(run, alarm), daemon=True))
            self._posts[-1].start()
        alerts = Outlets(self._false_alarms, trackers=[name for name in TRACKERS if name in trackers])
        for fault in alerts.send(run, alarm):
            warnings.warn(fault, stacklevel=2)
        if self._alarm_log:
            with self._alarm_log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(alarm_row(run, alarm, self._false_alarms), allow_nan=False) + "\n")

    def close(self) -> None:
        """Wait until the webhook has been tried with every alarm."""
        for post in self._posts:
            post.join(WEBHOOK_SECONDS)

    def _post(self, run: str, alarm: Alarm) -> None:
        for fault in Outlets(self._false_alarms, webhook=self._webhook).send(run, alarm):
            print(printable(fault), file=sys.stderr, flush=True)
