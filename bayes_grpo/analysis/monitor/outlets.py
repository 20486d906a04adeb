"""Where alarms go: a sentence, a line of JSON, a webhook, and a file that Prometheus's node exporter collects."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_grpo.analysis.alarms import Alarm
from bayes_grpo.analysis.monitor.follow import Look
from bayes_grpo.analysis.monitor.trackers import send_alert
from bayes_grpo.errors import InputError, printable

#: Seconds that a webhook is waited for.
WEBHOOK_SECONDS = 10.0


@dataclass(frozen=True)
class Outlets:
    """Where alarms go beside the terminal; nothing that does not answer ends the watch over a run.

    Parameters
    ----------
    false_alarms : float
        Per 1,000 steps of a healthy run, as it was asked for.
    webhook : str, optional
        Address that alarms are posted to as JSON.
    prometheus : Path, optional
        Text file that holds the state of the test.
    trackers : sequence of {"trackio", "wandb"}
        Trackers whose run in this process gets alerts.
    """

    false_alarms: float
    webhook: str | None = None
    prometheus: Path | None = None
    trackers: Sequence[str] = ()

    def send(self, run: str, alarm: Alarm) -> list[str]:
        """Hand an alarm to webhook and trackers; what went wrong, a sentence each.

        Parameters
        ----------
        run : str
            Name of the run.
        alarm : Alarm
            What was raised.
        """
        sentence = alarm_sentence(run, alarm, self.false_alarms)
        faults = []
        if self.webhook and (
            fault := post(self.webhook, alarm_row(run, alarm, self.false_alarms) | {"text": sentence})
        ):
            faults.append(f"the alarm could not be posted: {fault}")
        for tracker in self.trackers:
            if fault := send_alert(tracker, sentence):
                faults.append(f"the alarm could not be sent as an alert: {fault}")
        return faults

    def write_state(self, look: Look) -> None:
        """Renew the file for Prometheus, where one was asked for."""
        if self.prometheus:
            text = prometheus_text(look.run, look.step, look.statistic, look.boundary, look.raised)
            write_prometheus(self.prometheus, text)


def alarm_row(run: str, alarm: Alarm, false_alarms: float) -> dict[str, Any]:
    """An alarm ready for JSON."""
    return {"alarm": "reward falls", "run": run, **alarm._asdict(), "false_alarms_per_1000_steps": false_alarms}


def alarm_sentence(run: str, alarm: Alarm, false_alarms: float) -> str:
    """An alarm as a sentence."""
    return (
        f"ALARM: {run}: the reward has fallen: its best level was {alarm.best:.3g}, and since step "
        f"{alarm.since:g} it is "
        f"{alarm.reward:.3g} (seen at step {alarm.step:g}; a healthy run raises {false_alarms:g} such alarms per 1,000 "
        "steps)"
    )


def post(url: str, row: dict[str, Any]) -> str:
    """Send an alarm to a webhook as JSON; '' if it was taken, else why not.

    The body has the key ``text`` with the sentence as well, which chat services show.
    """
    request = urllib.request.Request(
        url, data=json.dumps(row).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS) as answer:
            return "" if answer.status < 300 else f"{url}: answered {answer.status}"
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        return f"{url}: {getattr(error, 'reason', None) or error}"


def check_webhook(url: str) -> None:
    """Refuse what cannot be a webhook.

    Raises
    ------
    InputError
        If the address is not one of HTTP.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(
            "command line", f"--webhook: expected an address that begins with http:// or https://, got {url}"
        )


def prometheus_text(run: str, step: float, statistic: float, boundary: float, raised: Sequence[Alarm]) -> str:
    """The state of the test in Prometheus's text format (version 0.0.4)."""
    label = printable(run, keep="\n").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    rows = (
        ("last_step", "gauge", "optimizer step of the last reward", step),
        ("statistic", "gauge", "log odds that the reward is in a collapse", statistic),
        ("boundary", "gauge", "the statistic at which an alarm is raised", boundary),
        ("alarms_total", "counter", "alarms raised so far", float(len(raised))),
        (
            "last_alarm_step",
            "gauge",
            "optimizer step of the last alarm, -1 if none",
            raised[-1].step if raised else -1.0,
        ),
    )
    lines = []
    for name, kind, about, value in rows:
        full = f"bayes_grpo_reward_{name}"
        lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}", f'{full}{{run="{label}"}} {value:.10g}']
    return "\n".join([*lines, ""])


def write_prometheus(path: Path, text: str) -> None:
    """Replace the file at once: a collector never reads half of it."""
    from bayes_grpo.runs.files import write_atomically

    write_atomically(path, text.encode())
