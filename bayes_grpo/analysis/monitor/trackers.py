"""Alarms as alerts of experiment trackers: trackio's and W&B's own alert calls, which their pages and mails show.

Both packages are optional. Either an alert belongs to the run that this process already tracks (a training with a
callback), or a run of its own is opened for the alerts, for the training is tracked by another process.
"""

import contextlib
import sys
from importlib import import_module
from typing import Any

from bayes_grpo.errors import InputError, printable

#: Trackers that alerts can go to, and what each calls itself.
TRACKERS = {"trackio": "trackio", "wandb": "W&B"}
#: Title of an alert; W&B takes fewer than 64 characters.
TITLE = "the reward has fallen"


def open_run(tracker: str, project: str, name: str) -> None:
    """Open a run for alerts in a project.

    Parameters
    ----------
    tracker : {"trackio", "wandb"}
        Whose.
    project, name : str
        Of the run.

    Raises
    ------
    InputError
        If the package is not installed, or the tracker refuses, as W&B does without a login.
    """
    module = _imported(tracker)
    try:
        # What trackers say is for people, and stdout belongs to the answer.
        with contextlib.redirect_stdout(sys.stderr):
            module.init(project=project, name=name, **_quiet(tracker, module))
    except Exception as error:
        cure = ": log in (wandb login), or set WANDB_MODE=offline" if tracker == "wandb" else ""
        raise InputError(
            f"--{tracker}", f"{TRACKERS[tracker]} opens no run in the project {project!r} ({_said(error)}){cure}"
        ) from error


def send_alert(tracker: str, text: str) -> str:
    """Send an alert by the run that this process tracks; '' if it was taken, else why not.

    Parameters
    ----------
    tracker : {"trackio", "wandb"}
        Whose.
    text : str
        What has happened.
    """
    try:
        module = _imported(tracker)
        with contextlib.redirect_stdout(sys.stderr):
            if tracker == "trackio":
                module.alert(title=TITLE, text=text, level=module.AlertLevel.WARN)
            elif module.run is None:
                return "W&B: this process tracks no run"
            else:
                # Of alerts under one title, W&B drops those that follow within a minute unless told otherwise.
                module.run.alert(title=TITLE, text=text, level=module.AlertLevel.WARN, wait_duration=0.001)
    except Exception as error:  # no tracker may end a training, or the watch over it
        return f"{TRACKERS[tracker]}: {_said(error)}"
    return ""


def close_run(tracker: str) -> None:
    """End the run that was opened, and wait until its alerts are sent."""
    with contextlib.redirect_stdout(sys.stderr):
        _imported(tracker).finish()


def _quiet(tracker: str, module: Any) -> dict[str, Any]:
    """Options of a run that holds alerts and nothing about the machine."""
    if tracker == "trackio":
        return {"auto_log_cpu": False, "auto_log_gpu": False}
    return {"settings": module.Settings(console="off", x_disable_stats=True)}


def _imported(tracker: str) -> Any:
    try:
        return import_module(tracker)
    except ImportError as error:
        raise InputError(
            f"--{tracker}",
            f"alerts of {TRACKERS[tracker]} need the package {tracker}, which is missing: pip install {tracker}",
        ) from error


def _said(error: Exception) -> str:
    """What an error of a tracker says, in one line."""
    return printable(" ".join(str(error).split()), keep="")[:200] or type(error).__name__
