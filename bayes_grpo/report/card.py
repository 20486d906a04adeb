"""What a model card says of the training: a block of Markdown for the Hugging Face Hub."""

from html import escape
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.inference.attributes import reading_notes
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.report import words
from bayes_grpo.report.describe import describe_run
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.single import pair_fits

#: Marks what a later call may replace.
BEGIN, END = "<!-- bayes_grpo: begin -->", "<!-- bayes_grpo: end -->"
#: Notes that are listed at most.
_MOST_NOTES = 6


def card(
    fit: xr.DataTree, *, until: float | None = None, model: str | Path | ModelSpec | None = None, seed: int = 0
) -> str:
    """Say for a model card what the training log tells: plateau with interval, diagnosis, forecast, method.

    Parameters
    ----------
    fit : xarray.DataTree
        From `bayes_grpo.fit`; of runs fitted together there is a block for each.
    until : float, optional
        Step to forecast to; else the planned steps, or half as many steps again as are logged.
    model : str, Path or ModelSpec, optional
        The model, where it did not come with the package.
    seed : int
        Of the forecast's paths.

    Returns
    -------
    str
        Markdown between two comments, by which a later block can replace it.

    Raises
    ------
    InputError
        If the model of the fit cannot be found.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> print(bayes_grpo.card(fit).splitlines()[1])
    ## Training dynamics of `arithmetic_grpo`
    """
    blocks = []
    for subject in pair_fits([fit]):
        report = describe_run(subject, until=until, model=model, figures=False, seed=seed)
        blocks.append(_block(report, [str(note) for note in reading_notes(fit)]))
    return "\n\n".join(blocks)


def _block(report: RunReport, read: list[str]) -> str:
    lines = [
        BEGIN,
        f"## Training dynamics of `{_name(report.label)}`",
        "",
        f"{report.rewards} logged rewards to step {words.number(report.last_step)}; the last {report.recent_rows} have "
        f"the mean {words.number(report.recent_reward)}.",
        "",
        *(["**The fit did not converge: do not rely on these numbers.**", ""] if not report.converged else []),
        f"| question | answer | {INTERVAL_PROB:.0%} interval |",
        "|---|---|---|",
        *(f"| {question} | {answer} | {ends} |" for question, answer, ends in _rows(report)),
        "",
        *(f"- {_text(finding.text)}" for finding in report.findings if finding.about in ("diagnosis", "forecast")),
        *(f"- Note: {_text(note)}" for note in _notes(report, read)),
        "",
        "<details><summary>Method</summary>",
        "",
        *(line for paragraph in report.methods[0] for line in (_text(paragraph), "")),
        "</details>",
        END,
    ]
    return "\n".join(lines)


def _notes(report: RunReport, read: list[str]) -> list[str]:
    """The first notes of the fit and of the reading, each once."""
    return list(dict.fromkeys([*map(str, notes_of(report.summary)), *read]))[:_MOST_NOTES]


def _rows(report: RunReport) -> list[tuple[str, str, str]]:
    """Questions, answers and intervals."""
    rows = []
    parameters = report.summary["parameters"]
    for name, question in (("plateau", "plateau of the reward"), ("timescale", "timescale (steps)")):
        if name in parameters:
            row: Any = parameters[name]
            rows.append((question, words.number(row["median"]), words.ends(row)))
    ahead = report.parts.get("forecast")
    if ahead is not None:
        last = {end: ahead["mean"][end][-1] for end in ("median", "lower", "upper")}
        rows.append((f"reward at step {words.number(ahead['until'])}", words.number(last["median"]), words.ends(last)))
        rows.append(("stop or go on", ahead["recommendation"]["action"], "-"))
    diagnosis = report.parts.get("diagnosis")
    if diagnosis is not None:
        name = diagnosis["diagnosis"]
        rows.append(("diagnosis", f"{words.plain(name)} ({words.chance(diagnosis['probabilities'][name])})", "-"))
    return rows


def _name(label: str) -> str:
    """A run's name inside backticks."""
    return words.label(label).replace("`", "'")


def _text(text: str) -> str:
    """Foreign text in Markdown: no HTML, no emphasis, no links, no new lines."""
    shown = escape(" ".join(words.shown(text, 2000).split()), quote=False)
    return "".join(f"\\{mark}" if mark in "*_[]|`$~" else mark for mark in shown)
