"""What a run that trains says, in sentences."""

from bayes_grpo.analysis.collapses import recovery_text
from bayes_grpo.analysis.forecast.ahead import GAIN_STEPS
from bayes_grpo.analysis.forecast.live import LiveSummary
from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.monitor.outlets import alarm_sentence
from bayes_grpo.report.live.state import LiveState
from bayes_grpo.report.section import Finding, likely
from bayes_grpo.report.words import INTERVAL_WORDS, chance, ends, number

#: Probability that the mean runs away above which the sentence asks for attention.
_UNSTABLE = 0.1


def live_answers(state: LiveState, false_alarms: float) -> list[Finding]:
    """Alarms first, then the advice and what it rests on.

    Parameters
    ----------
    state : LiveState
        Of the run.
    false_alarms : float
        False alarms per 1,000 steps of a healthy run.
    """
    name = str(state.run["run"].values) if state.run is not None else "the run"
    answers = [
        Finding("alarm", alarm_sentence(name, alarm, false_alarms).removeprefix("ALARM: "), attention=True)
        for alarm in state.alarms[::-1]
    ]
    if state.summary is not None:
        answers += _of_forecast(state.summary)
    else:
        answers.append(Finding("forecast", f"There is no forecast yet: {state.message}."))
    if state.run is not None and not state.alarms:
        answers.append(
            Finding("alarm", f"No alarm: a healthy run raises {false_alarms:g} of them per 1,000 steps by chance.")
        )
    return answers


def _of_forecast(summary: LiveSummary) -> list[Finding]:
    advice, gain = summary["recommendation"], summary["gain_per_100_steps"]
    worth, action = gain["probability_above_epsilon"], advice["action"]
    go_on = (
        f"{action.capitalize()}: the next {GAIN_STEPS:g} steps bring more than {number(gain['epsilon'])} with "
        f"probability {chance(worth)} (median {number(gain['median'])}, {INTERVAL_WORDS} {ends(gain)})."
    )
    answers = [likely("forecast", go_on, worth, action == "look")]
    level, last = summary["mean"], len(summary["steps"]) - 1
    answers.append(
        Finding(
            "forecast",
            f"At step {summary['until']:.0f} the expected reward is {number(level['lower'][last])} to "
            f"{number(level['upper'][last])} with probability {INTERVAL_PROB:g}.",
            INTERVAL_PROB,
        )
    )
    plateau, unstable = summary["plateau"], summary["probability_unstable"]
    if plateau["median"] is not None:
        answers.append(
            Finding("plateau", f"The reward settles at {number(plateau['median'])} ({INTERVAL_WORDS} {ends(plateau)}).")
        )
    if unstable is not None:
        answers.append(
            likely("regime", f"The mean runs away with probability {chance(unstable)}.", unstable, unstable > _UNSTABLE)
        )
    jump, collapse = summary["probability_jump"], summary["probability_collapse"]
    if jump is not None and collapse is not None:
        answers.append(
            Finding(
                "regime",
                f"Within {GAIN_STEPS:g} steps it jumps with probability {chance(jump)} and collapses with probability "
                f"{chance(collapse)}, as often as other runs did; the bands hold neither.",
            )
        )
    if summary["recovery"] is not None:
        words = recovery_text(summary["recovery"])
        answers.append(Finding("regime", f"{words[0].upper()}{words[1:]}.", attention=True))
    if not summary["converged"]:
        answers.insert(0, Finding("forecast", "The last fit did not converge: do not act on it.", attention=True))
    return answers
