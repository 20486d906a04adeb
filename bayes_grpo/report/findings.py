"""What was found about a run, in plain words that say how sure they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.report.words import interval, number, sure, surely

_FAILURES = {
    "healthy": "healthy training",
    "reward_hacking": "reward hacking (the training reward holds while held-out reward falls)",
    "advantage_degeneracy": "advantage degeneracy (groups without any difference in reward)",
    "policy_concentration": "policy concentration (entropy falls to its floor)",
    "dynamical_instability": "dynamical instability (the reward falls, rings or scatters too much)",
    "undetermined": "undetermined (the channel that would tell is not logged)",
}

#: Larger factors of the learning rate are not worth a number: the linear law does not hold so far.
_MOST_FACTOR = 100.0


@dataclass(frozen=True)
class Finding:
    """A sentence, what it is about, its probability where it has one, the word for that, and whether it asks for attention."""

    about: str
    text: str
    probability: float | None = None
    sure: str | None = None
    attention: bool = False


def list_findings(
    summary: dict[str, Any],
    plateau: np.ndarray | None,
    recent: tuple[float, int],
    parts: dict[str, dict[str, Any] | None],
) -> list[Finding]:
    """Findings of a run, those that ask for attention first.

    Parameters
    ----------
    summary : dict
        From `bayes_grpo.summarise`.
    plateau : numpy.ndarray or None
        Its posterior draws.
    recent : tuple
        Mean of the last logged rewards, and how many.
    parts : dict
        Summaries under ``forecast``, ``oscillation``, ``threshold``, ``diagnosis`` and ``comparison``; None where there is none.
    """
    found = [
        *_fit(summary),
        *_diagnosis(parts["diagnosis"]),
        *_plateau(summary, plateau, *recent),
        *_regime(summary, parts["oscillation"]),
        *_forecast(parts["forecast"]),
        *_threshold(parts["threshold"]),
        *_comparison(parts["comparison"]),
    ]
    return sorted(found, key=lambda one: not one.attention)


def _with(about: str, text: str, probability: float, attention: bool = False) -> Finding:
    return Finding(about, text, float(probability), sure(probability), attention)


def _fit(summary: dict[str, Any]) -> list[Finding]:
    if summary["converged"]:
        return []
    failures = [text for text in summary["warnings"] if text.startswith("NOT CONVERGED")]
    first = failures[0].removeprefix("NOT CONVERGED: ") if failures else "unknown reason"
    text = f"The fit by {summary['model']} did not converge ({first}). Take none of its numbers as settled."
    return [Finding("fit", text, attention=True)]


def _diagnosis(said: dict[str, Any] | None) -> list[Finding]:
    if said is None:
        return []
    top, chances = said["diagnosis"], said["probabilities"]
    second = max((name for name in chances if name != top), key=lambda name: chances[name])
    next_best = (
        f" Next: {second.replace('_', ' ')} ({chances[second]:.2f})."
        if chances[second] >= 0.1 and second != "undetermined"
        else ""
    )
    text = f"Diagnosis: {_FAILURES[top]} is {surely(chances[top])}.{next_best}"
    out = [_with("diagnosis", text, chances[top], top != "healthy")]
    onset = said["onset_step"]
    if onset is not None:
        seen = said["first_seen_step"]
        words = f" It could have been seen at step {seen:g}." if seen is not None else ""
        text = (
            f"If it is {onset['failure'].replace('_', ' ')}, it began near step {onset['median']:g}: between {onset['lower']:g} and "
            f"{onset['upper']:g} with probability {onset['prob']:.2g}.{words}"
        )
        out.append(Finding("diagnosis", text, attention=True))
    if chances["undetermined"] >= 0.01 and said["missing_channels"]:
        text = (
            f"With probability {chances['undetermined']:.2f} it is a failure that this log cannot show. "
            f"Not logged: {', '.join(said['missing_channels'])}."
        )
        out.append(_with("diagnosis", text, chances["undetermined"]))
    return out


def _plateau(summary: dict[str, Any], draws: np.ndarray | None, recent: float, rows: int) -> list[Finding]:
    out = []
    vague = " ".join(text for text in summary["warnings"] if text.startswith("the rewards say little about"))
    row = summary["parameters"].get("plateau")
    if row is not None and draws is not None and not row.get("fixed"):
        above = float((draws > recent).mean())
        weak = " This is hardly narrower than before the log was read: it says little." if "plateau" in vague else ""
        out.append(
            Finding(
                "plateau",
                f"The expected reward settles at {interval(row)} with probability {INTERVAL_PROB:g}, "
                f"if the dynamics stay as they are.{weak}",
                INTERVAL_PROB,
            )
        )
        text = f"That the plateau lies above the mean of the last {rows} rewards, {number(recent)}, is {surely(above)}."
        out.append(_with("plateau", text, above))
    row = summary["parameters"].get("timescale")
    if row is not None and not row.get("fixed"):
        weak = " The log says little about it." if "timescale" in vague else ""
        text = (
            f"The distance to the plateau falls to about a third (1/e) in {interval(row)} steps, "
            f"with probability {INTERVAL_PROB:g}.{weak}"
        )
        out.append(Finding("timescale", text, INTERVAL_PROB))
    return out


def _regime(summary: dict[str, Any], said: dict[str, Any] | None) -> list[Finding]:
    if said is None:
        return []
    rings, away = said["probability_underdamped"], said["probability_unstable"]
    if any("no mass" in text for text in said["warnings"]):
        return [Finding("regime", "Whether it rings was not asked: the fitted law has no mass.")]
    kinds = {
        "The mean settles without ringing": 1 - rings - away,
        "The mean rings as it settles": rings,
        "The mean runs away": away,
    }
    top = max(kinds, key=lambda name: kinds[name])
    text = f"{top}: {surely(kinds[top])}. That it rings has probability {rings:.2f}, that it runs away {away:.2f}."
    if any("damping" in text for text in summary["warnings"] if text.startswith("the rewards say little about")):
        text += " The log says little about the damping: this is largely what the prior says."
    return [_with("regime", text, kinds[top], away > 0.1)]


def _forecast(said: dict[str, Any] | None) -> list[Finding]:
    if said is None:
        return []
    end = {name: said["mean"][name][-1] for name in ("lower", "upper")}
    gain, advice = said["gain_per_100_steps"], said["recommendation"]
    first = f"At step {said['until']:g} the expected reward is {interval(end)} with probability {INTERVAL_PROB:g}."
    worth = gain["probability_above_epsilon"]
    second = (
        f"A gain above {number(gain['epsilon'])} in the next 100 steps is {surely(worth)}; "
        f"the rule's advice: {advice['action']}."
    )
    if any(text.startswith("NOT CONVERGED") for text in said["warnings"]):
        first += f" The fit by {said['model']} that this rests on did not converge."
    out = [Finding("forecast", first, INTERVAL_PROB), _with("forecast", second, worth, advice["action"] == "look")]
    return out


def _threshold(said: dict[str, Any] | None) -> list[Finding]:
    if said is None:
        return []
    if said["probability_unstable"] is None:
        return [
            Finding("threshold", "How near stale rollouts bring it to instability: the refresh interval is unknown.")
        ]
    p, at = said["probability_unstable"], said["refresh_interval"]
    margin = said["learning_rate_margin"]
    more = ""
    if margin is not None and margin["lower"] is not None:
        far = f"{_MOST_FACTOR:g} or more" if margin["lower"] > _MOST_FACTOR else number(margin["lower"])
        more = (
            f" By lag alone, the learning rate could rise by a factor of {far} before that has probability 0.05; "
            "on networks other things may break first."
        )
    text = f"Near its plateau this run, at {at:g} update{'s' * (at != 1)} a batch of rollouts, is unstable: {surely(p)}.{more}"
    return [_with("threshold", text, p, p > 0.1)]


def _comparison(said: dict[str, Any] | None) -> list[Finding]:
    return [] if said is None else [Finding("comparison", said["statement"])]
