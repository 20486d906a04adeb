"""What a section of the page is: a question about a run, its answer, and what of it is shown.

A new section is a file in `bayes_grpo.report.sections` and an entry in its list; page, findings, figures, overview,
methods and JSON follow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import xarray as xr

from bayes_grpo.report.words import sure

if TYPE_CHECKING:
    from bayes_grpo.report.figures import Drawn
    from bayes_grpo.report.run_report import RunReport


#: Characters of a finding that may stand in the heading of its section.
LONGEST_HEADLINE = 240


@dataclass(frozen=True)
class Material:
    """What the answers about a run are worked out from.

    Parameters
    ----------
    fit : xarray.DataTree
        The fit that its posterior is from, as if of this run alone.
    forecast_fit : xarray.DataTree
        The fit that is forecast from; it may be of several runs.
    run : str
        Label of the run.
    until : float
        Optimizer step to forecast to.
    model : str, Path, ModelSpec or None
        The model, where it did not come with the package.
    comparison : dict or None
        A comparison of laws on this run, ready for JSON.
    no_comparison : str
        Why there is none although it was asked for.
    seed : int
        Of forecast paths and unknown lag shares.
    plan, contrast : dict or None
        Summaries of a plan and of a comparison of configurations, as `bayes-grpo plan --json` and `contrast --json`
        print them.
    earlier : dict
        The answers of the sections before, by section.
    absent : dict
        Why others of these are missing.
    """

    fit: xr.DataTree
    forecast_fit: xr.DataTree
    run: str
    until: float
    model: Any
    comparison: Any
    no_comparison: str
    seed: int
    plan: Any = None
    contrast: Any = None
    earlier: "dict[str, Answer]" = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


class Answer(NamedTuple):
    """An answer: its summary, ready for JSON, and the Dataset that it summarises, where there is one to draw."""

    summary: Any
    result: xr.Dataset | None = None


@dataclass(frozen=True)
class Finding:
    """A sentence about a run.

    Parameters
    ----------
    about : str
        What it is about.
    text : str
        The sentence.
    probability : float or None
        Its probability, where it has one; ``sure`` is the word for that.
    attention : bool
        Whether it asks for attention.
    """

    about: str
    text: str
    probability: float | None = None
    sure: str | None = None
    attention: bool = False


def likely(about: str, text: str, probability: float, attention: bool = False) -> Finding:
    """A finding with its probability."""
    return Finding(about, text, float(probability), sure(probability), attention)


class Paragraph(NamedTuple):
    """A block of text, after a few words that stand out."""

    text: str
    lead: str = ""
    soft: bool = False


class Grid(NamedTuple):
    """A block that is a table; the first cell of a row heads it."""

    caption: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Picture(NamedTuple):
    """A block that is the figure of a section."""

    of: str


Block = Paragraph | Grid | Picture


def _nothing(run: "RunReport") -> list[Any]:
    return []


@dataclass(frozen=True)
class Section:
    """One section of a run's part of the page.

    Parameters
    ----------
    name : str
        Its key among the parts of a report and in the JSON.
    title : str
        Its heading.
    blocks : callable
        What stands under the heading. Where an answer was asked for and there is none, the reason stands there instead.
    answer : callable, optional
        The answer from the material; the reason, as text or as an InputError that it raises, why there is none; or None
        where it was not asked for, and then the section is left out.
    draw : callable, optional
        Its figure, from the material and the answers by section.
    findings : callable
        Sentences that it adds to the findings.
    rank : int
        Place of these among the findings of all sections.
    overview : callable
        Head and cell of its columns in the table that compares several runs; '' for a cell that it cannot fill.
    method : callable, optional
        A sentence for the paragraph on methods, from the answer's summary.
    cites : tuple of str
        Papers that the sentence cites, by their key in `bayes_grpo.report.methods.PAPERS`.
    chart : bool
        Whether the chart of the trajectory opens the section.
    shows_notes : bool
        Whether the notes of the answer stand among its blocks; else they stand with the facts of the run.
    headline : callable, optional
        What the heading says was found; by default the first of the section's findings.
    """

    name: str
    title: str
    blocks: Callable[["RunReport"], list[Block]]
    answer: Callable[[Material], Answer | str | None] | None = None
    draw: "Callable[[Material, dict[str, Answer]], Drawn | None] | None" = None
    findings: Callable[["RunReport"], list[Finding]] = _nothing
    rank: int = 20
    overview: Callable[["RunReport"], list[tuple[str, str]]] = _nothing
    method: Callable[[Any], str] | None = None
    cites: tuple[str, ...] = ()
    chart: bool = False
    shows_notes: bool = False
    headline: Callable[["RunReport"], str] | None = None

    def says(self, run: "RunReport") -> str:
        """What the heading says was found; '' where that is nothing, or too long for a heading."""
        if self.headline is not None:
            text = self.headline(run)
        else:
            text = next((finding.text for finding in self.findings(run)), "")
        return text if len(text) <= LONGEST_HEADLINE else ""
