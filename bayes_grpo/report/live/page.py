"""The page of a run that trains: a frame that stays, and a part that is made anew after each look at the log."""

import base64
import hashlib
from importlib.metadata import version
from typing import NamedTuple

from markupsafe import Markup

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.report import words
from bayes_grpo.report.live.answers import live_answers
from bayes_grpo.report.live.channels import live_channels
from bayes_grpo.report.live.state import LiveState
from bayes_grpo.report.page import environment, resource
from bayes_grpo.report.trajectory import growing_chart

#: Notes that are listed.
_MOST_NOTES = 20


class LivePage(NamedTuple):
    """The whole page, the part that changes, and the policy under which a browser shows it."""

    whole: str
    now: str
    policy: str


def live_page(state: LiveState, false_alarms: float, every: float) -> LivePage:
    """Make the page of a run that trains.

    Parameters
    ----------
    state : LiveState
        Of the run. What comes from its log is escaped.
    false_alarms : float
        False alarms per 1,000 steps of a healthy run.
    every : float
        Seconds between looks at the log, and between the browser's questions.

    Examples
    --------
    >>> from bayes_grpo.report.live.page import live_page
    >>> from bayes_grpo.report.live.state import LiveState
    >>> "There is no forecast yet" in live_page(LiveState(), 0.2, 5.0).now
    True
    """
    script = resource("chart.js") + resource("live/live.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    label = words.label(state.run["run"].values) if state.run is not None else "waiting for a log that can be read"
    chart = growing_chart(state.run, state.summary) if state.run is not None else None
    jinja = environment()
    now = jinja.get_template("live/now.html.jinja").render(
        label=label,
        message=state.message,
        answers=live_answers(state, false_alarms),
        chart=chart,
        summary=state.summary,
        channels=live_channels(state.run) if state.run is not None else [],
        notes=notes_of(state.summary) if state.summary is not None else [],
        most_notes=_MOST_NOTES,
        share=f"{INTERVAL_PROB:.0%}",
    )
    whole = jinja.get_template("live/page.html.jinja").render(
        style=Markup(resource("style.css")),
        script=Markup(script),
        now=Markup(now),
        every=every,
        version=version("bayes-grpo"),
    )
    return LivePage(whole, now, policy)
