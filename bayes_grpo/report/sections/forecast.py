"""Trajectory and forecast: what will the rest of the training bring?"""

from typing import Any

from bayes_grpo.analysis.forecast.forecast import forecast
from bayes_grpo.analysis.forecast.summary import summarise_forecast
from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.inference.attributes import pooled
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Answer, Block, Finding, Grid, Material, Paragraph, Section, likely
from bayes_grpo.report.words import INTERVAL_WORDS, ends, number, shown, surely


def _answer(material: Material) -> Answer:
    fit = material.forecast_fit
    label = material.run if pooled(fit) else None
    result = forecast(fit, material.until, run=label, model=material.model, seed=material.seed)
    return Answer(summarise_forecast(result, fit), result)


def _blocks(run: RunReport) -> list[Block]:
    summary: Any = run.parts["forecast"]
    advice = summary["recommendation"]
    rule = f"Rule: {advice['rule']}. Learning rate to come: {shown(summary['schedule'])}."
    table = Grid(f"Forecast under {summary['model']}", ("", "median", INTERVAL_WORDS), _rows(summary))
    return [table, Paragraph(rule, lead=f"{advice['action'].capitalize()}.")]


def _rows(summary: Any) -> list[tuple[str, ...]]:
    until, reached = summary["until"], summary["step_95"]
    rows: list[tuple[str, Any]] = [
        (f"expected reward at step {until:.0f}", _last(summary["mean"])),
        (f"one logged reward at step {until:.0f}", _last(summary["logged"])),
        ("gain in the next 100 steps", summary["gain_per_100_steps"]),
        ("gain forgone by stopping now", summary["recommendation"]["gain_forgone_by_stopping_now"]),
    ]
    cells: list[tuple[str, ...]] = [(name, number(row["median"]), ends(row)) for name, row in rows]
    if reached["probability_reached"] is not None:
        later = f"beyond {until:.0f}"
        median = number(reached["median"]) if reached["median"] else later
        cells.append(("step with 95 % of the gain", median, ends(reached, unknown=later)))
    return cells


def _last(band: Any) -> dict[str, float]:
    """A band at its last step."""
    return {end: values[-1] for end, values in band.items()}


def _findings(run: RunReport) -> list[Finding]:
    summary: Any = run.parts["forecast"]
    if summary is None:
        return []
    gain, action = summary["gain_per_100_steps"], summary["recommendation"]["action"]
    level = f"At step {summary['until']:.0f} the expected reward is {ends(_last(summary['mean']))}"
    text = f"{level} with probability {INTERVAL_PROB:g}."
    if any(note.kind == "not_converged" for note in notes_of(summary)):
        text += f" The fit by {summary['model']} that this rests on did not converge."
    worth = gain["probability_above_epsilon"]
    advice = (
        f"A gain above {number(gain['epsilon'])} in the next 100 steps is {surely(worth)}; the rule's advice: {action}."
    )
    if run.parts["ask"] is not None:  # which gives the advice
        return [Finding("forecast", text, INTERVAL_PROB)]
    return [Finding("forecast", text, INTERVAL_PROB), likely("forecast", advice, worth, action == "look")]


def _overview(run: RunReport) -> list[tuple[str, str]]:
    summary: Any = run.parts["forecast"]
    return [("advice", summary["recommendation"]["action"] if summary else "")]


def _method(summary: Any) -> str:
    weight = summary["persistence"]
    stays = f"; a share of {weight:.2f} of the paths stays at the present level" if weight else ""
    return (
        f"Forecasts are posterior predictive paths to step {summary['until']:.0f} with the learning rate "
        f"{summary['schedule']}{stays}."
    )


FORECAST = Section(
    name="forecast",
    title="Trajectory and forecast",
    blocks=_blocks,
    answer=_answer,
    findings=_findings,
    rank=5,
    overview=_overview,
    method=_method,
    chart=True,
)
