"""The five answers as sentences with their probabilities, and the numbers behind them."""

import json
from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.decisions.ask.ask import LIMITS
from bayes_grpo.analysis.decisions.ask.what_to_log import what_to_log
from bayes_grpo.analysis.decisions.words import chance, listed, rounded, sentence, with_interval
from bayes_grpo.analysis.diagnosis.modes import HEALTHY, INSTABILITY, NOT_LEARNING, UNDETERMINED, answers
from bayes_grpo.analysis.diagnosis.summary import DiagnosisSummary, summarise_diagnosis
from bayes_grpo.analysis.forecast.ahead import GAIN_STEPS
from bayes_grpo.analysis.forecast.summary import EPSILON_SHARE, ForecastSummary, summarise_forecast
from bayes_grpo.analysis.intervals import INTERVAL, INTERVAL_PROB, IntervalRow, interval_row
from bayes_grpo.analysis.notes import Noted, noted, stored_notes
from bayes_grpo.analysis.stability.breakdown import breakdown_note, breakdown_text

#: Probability from which a second diagnosis is named beside the first.
_WORTH_NAMING = 0.1
_ADVICE = {
    "stop": "stop",
    "go on": "go on",
    "cannot tell yet": "it cannot be told yet whether going on is worth it",
    "look": "look before you go on: the run has lost most of its gain",
}


class Reply(TypedDict):
    """One answer: the question, the sentences, and the probability that they turn on (None where there is none)."""

    question: str
    text: str
    probability: float | None


class Broken(TypedDict):
    """A run that collapsed, or is unstable in another way, and its refresh interval (None if unknown)."""

    refresh_interval: float | None
    collapsed: bool


class AskSummary(Noted):
    """What `summarise_ask` says; see there."""

    run: str
    model: str
    last_step: float
    until: float | None
    statement: str
    answers: dict[str, Reply]
    plateau: IntervalRow | None
    recommendation: str | None
    probabilities: dict[str, float] | None
    limit: dict[str, IntervalRow] | None
    to_log: list[str]
    absent: dict[str, str]
    interval: dict[str, Any]


def summarise_ask(result: xr.DataTree, fit: xr.DataTree | None = None, *, epsilon: float | None = None) -> AskSummary:
    """Summary of what a log says, ready for JSON.

    Parameters
    ----------
    result : xarray.DataTree
        From `bayes_grpo.ask`.
    fit : xarray.DataTree, optional
        Not used, for `bayes_grpo.ask` makes its own fit; accepted so that all summaries are called alike.
    epsilon : float, optional
        Gain in expected reward per 100 steps that makes them worth while; by default 1 % of the range.

    Returns
    -------
    dict
        - ``run``, ``model``, ``last_step``, ``until``: what was asked about.
        - ``statement``: all answers, one after the other.
        - ``answers``: by name (plateau, go_on, health, staleness, to_log) the ``question``, the ``text``, and the
          ``probability`` that it turns on.
        - ``plateau``: median and interval; ``recommendation``: stop, go on, cannot tell yet or look;
          ``probabilities``: of each diagnosis; ``limit``: median and interval of the refresh interval at which lag, ess
          (sample size) and starvation bind; ``to_log``: what would tell more, the most useful first.
        - ``absent``: why a part is missing, which then is None.
        - ``interval``: probability and kind of the intervals.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> summary = bayes_grpo.summarise_ask(bayes_grpo.ask(bayes_grpo.example_run()))
    >>> list(summary["answers"])
    ['plateau', 'go_on', 'health', 'staleness', 'to_log']
    """
    absent: dict[str, str] = json.loads(result.attrs["absent"])
    ahead = summarise_forecast(_part(result, "forecast"), epsilon=epsilon) if "forecast" in result.children else None
    health = summarise_diagnosis(_part(result, "diagnosis")) if "diagnosis" in result.children else None
    broken = _broken(result, health)
    to_log = what_to_log(result, health)
    replies = {
        "plateau": _plateau(result, epsilon, health, absent),
        "go_on": _go_on(ahead, absent),
        "health": _health(health, ahead, result, absent),
        "staleness": _staleness(result, broken, absent),
        "to_log": _to_log(to_log),
    }
    bound = None if "reuse" not in result.children else _part(result, "reuse")
    return {
        "run": result.attrs["run"],
        "model": result.attrs["model"],
        "last_step": result.attrs["last_step"],
        "until": None if ahead is None else ahead["until"],
        "statement": " ".join(reply["text"] for reply in replies.values()),
        "answers": replies,
        "plateau": _plateau_row(result),
        "recommendation": None if ahead is None else ahead["recommendation"]["action"],
        "probabilities": None if health is None else health["probabilities"],
        "limit": None if bound is None else {str(name): interval_row(bound[name].values) for name in bound.data_vars},
        "to_log": to_log,
        "absent": absent,
        "interval": INTERVAL,
        **noted([*stored_notes(result), *([breakdown_note(**broken)] if broken and bound is not None else [])]),  # type: ignore[arg-type]
    }


def _plateau_row(result: xr.DataTree) -> IntervalRow | None:
    """Median and interval of the plateau; None where nothing was fitted, or the law has none."""
    draws = _part(result, "fit")["plateau"].values if "fit" in result.children else np.full(1, np.nan)
    return None if np.isnan(draws).any() else interval_row(draws)


def _part(result: xr.DataTree, name: str) -> xr.Dataset:
    part: xr.Dataset = result[name].to_dataset()
    return part


def _plateau(
    result: xr.DataTree, epsilon: float | None, health: DiagnosisSummary | None, absent: dict[str, str]
) -> Reply:
    question = "Where does the reward settle?"
    if "fit" not in result.children:
        return Reply(question=question, text=_unknown("The plateau", absent["fit"]), probability=None)
    law = _part(result, "fit")
    draws, here = law["plateau"].values, result.attrs["recent_reward"]
    worth = EPSILON_SHARE * law.attrs["reward_range"] if epsilon is None else epsilon
    if np.isnan(draws).any():
        text = f"The law {result.attrs['model']} has no plateau."
        return Reply(question=question, text=text, probability=None)
    higher = float((draws > here + worth).mean())
    breakdown, subject = json.loads(result.attrs["breakdown"]), "The reward settles"
    text = ""
    if breakdown is not None:
        best, level, rows = breakdown
        text = f"This run ends in a collapse: its mean over {rows} rows was {rounded(best)} and is {rounded(level)}. "
        subject = "A law that knows no collapse, and so does not say where this run goes, settles"
    text += (
        f"{subject} at {with_interval(interval_row(draws))}. It stands at {rounded(here)} now, and the "
        f"plateau is more than {rounded(worth)} higher with probability {chance(higher)}."
    )
    for where, bound, beyond in json.loads(law.attrs["passed"]):
        text += f" The law knows no bounds: it puts the plateau {where} {bound:g} with probability {chance(beyond)}."
    still = 0.0 if health is None else health["probabilities"][NOT_LEARNING]
    if still > 0.5:
        text += f" But with probability {chance(still)} the reward does not rise at all, and then it stays where it is."
    return Reply(question=question, text=text, probability=higher)


def _go_on(ahead: ForecastSummary | None, absent: dict[str, str]) -> Reply:
    question = "Stop or go on?"
    if ahead is None:
        same = absent["forecast"] == absent.get("fit")
        text = "cannot be told, for the same reason." if same else f"cannot be told: {absent['forecast']}"
        return Reply(question=question, text=sentence(f"Whether to go on {text}"), probability=None)
    gain, advice = ahead["gain_per_100_steps"], ahead["recommendation"]
    worth = gain["probability_above_epsilon"]
    text = (
        f"{_ADVICE[advice['action']]}: the next {GAIN_STEPS} steps bring more than {rounded(gain['epsilon'])} with "
        f"probability {chance(worth)}. Stopping now forgoes {with_interval(advice['gain_forgone_by_stopping_now'])} by "
        f"step {ahead['until']:.0f}."
    )
    return Reply(question=question, text=sentence(text), probability=worth)


def _health(
    health: DiagnosisSummary | None, ahead: ForecastSummary | None, result: xr.DataTree, absent: dict[str, str]
) -> Reply:
    question = "Is the run healthy?"
    if health is None:
        return Reply(question=question, text=_unknown("The health of the run", absent["diagnosis"]), probability=None)
    chances, top = health["probabilities"], health["diagnosis"]
    known = answers()
    meaning = f" ({known[top].meaning})" if known[top].meaning and top != HEALTHY else ""
    text = f"{known[top].label}{meaning} with probability {chance(chances[top])}"
    second = max((name for name in chances if name not in (top, UNDETERMINED)), key=lambda name: chances[name])
    if chances[second] >= _WORTH_NAMING:
        text += f"; next comes {known[second].label} ({chance(chances[second])})"
    onset = health["onset_step"]
    if onset is not None:
        text += f". It began near step {onset['median']:.0f} ({onset['lower']:.0f} to {onset['upper']:.0f})"
    if top == NOT_LEARNING and health["why_not_learning"]:
        text += f". The likeliest reason: {health['why_not_learning'][0]['text']}"
    if chances[UNDETERMINED] >= 0.01 and top != UNDETERMINED:
        text += f". A failure that this log cannot show has probability {chance(chances[UNDETERMINED])}"
    collapsed = json.loads(result.attrs["breakdown"]) is not None
    if top == HEALTHY and (collapsed or (ahead is not None and ahead["recommendation"]["action"] == "look")):
        text += ". Yet the reward has lost most of its gain, and the diagnosis does not see why: look at the curve"
    return Reply(question=question, text=sentence(text), probability=chances[HEALTHY])


def _staleness(result: xr.DataTree, broken: Broken | None, absent: dict[str, str]) -> Reply:
    question = "How stale may rollouts get?"
    if "reuse" not in result.children:
        return Reply(question=question, text=_limit_unknown(absent), probability=None)
    bound = _part(result, "reuse")
    names = [str(name) for name in bound.data_vars]
    lowest = np.stack([bound[name].values for name in names])
    binding = names[int(np.bincount(lowest.argmin(0), minlength=len(names)).argmax())]
    row = interval_row(lowest.min(0))
    asked = float(result.attrs["refresh_interval"])
    beyond = float((lowest.min(0) <= asked).mean()) if np.isfinite(asked) else None
    first = ""
    if broken is not None:  # the run itself contradicts a probability that its interval is beyond the limit
        first, beyond = f"{breakdown_text(**broken)} ", None
    used = "" if beyond is None else f" This run's {asked:g} is beyond it with probability {chance(beyond)}."
    if names == ["lag"]:
        least = "at least " if bound.attrs["at_least"] and row["median"] is not None else ""
        text = (
            f"{first}Lag alone allows {least}{_updates(row)} on a batch of rollouts. "
            "Clipping and the sample size usually bind at a fifth of that or less, and this log does not tell where."
            f"{used}"
        )
    else:
        text = (
            f"{first}A batch of rollouts can serve {_updates(row)} before {LIMITS[binding]} binds, as "
            f"{bound.attrs['rests_on']} tells.{used}"
        )
    return Reply(question=question, text=text, probability=beyond)


def _updates(row: IntervalRow) -> str:
    """Whole numbers of updates with their interval; what is beyond those looked at is thousands."""
    ends: list[float | None] = [row["lower"], row["upper"]]
    lower, upper = ("thousands" if end is None else _whole(end) for end in ends)
    if row["median"] is not None:
        upper = "thousands of" if row["upper"] is None else upper
        return f"{_whole(row['median'])} ({INTERVAL_PROB:.0%} interval {lower} to {upper}) updates"
    return "thousands of updates" + ("" if row["lower"] is None else f" ({INTERVAL_PROB:.0%} interval from {lower} on)")


def _whole(value: float) -> str:
    """A number of updates; no batch serves a part of one."""
    return "fewer than 1" if value < 1 else f"{value:,.0f}" if value >= 1000 else f"{value:.0f}"


def _broken(result: xr.DataTree, health: DiagnosisSummary | None) -> Broken | None:
    """How the run itself contradicts limits of reuse; None where it does not."""
    collapsed = json.loads(result.attrs["breakdown"]) is not None
    if not collapsed and (health is None or health["probabilities"][INSTABILITY] <= 0.5):
        return None
    own = float(result.attrs["refresh_interval"])
    return {"refresh_interval": own if np.isfinite(own) else None, "collapsed": collapsed}


def _limit_unknown(absent: dict[str, str]) -> str:
    if absent["reuse"] == absent.get("fit"):
        return "The limit of reuse cannot be told, for the same reason."
    return _unknown("The limit of reuse", absent["reuse"])


def _to_log(items: list[str]) -> Reply:
    question = "What would tell more?"
    if not items:
        return Reply(question=question, text="This log holds all that is made use of here.", probability=None)
    more = f" ({len(items) - 3} more below)" if len(items) > 3 else ""
    return Reply(question=question, text=f"To know more, log or state {listed(items[:3])}{more}.", probability=None)


def _unknown(subject: str, reason: str) -> str:
    return sentence(f"{subject} cannot be told: {reason}")
