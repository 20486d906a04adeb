"""The page: templates filled, with a policy under which nothing is loaded and no script but its own runs."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.report import words
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Finding
from bayes_grpo.report.sections import SECTIONS
from bayes_grpo.report.side_by_side import side_by_side
from bayes_grpo.runs.files import write_atomically

#: At most this many runs have a section; the others are in the table alone.
MOST_DETAILED = 20
#: No further section is added to a page whose sections have this many bytes.
MOST_BYTES = 15_000_000
#: At most this many notes, or inputs that could not be read, are listed.
MOST_NAMED = 200


def report_html(
    runs: Sequence[RunReport], *, left_out: Sequence[tuple[str, str]] = (), most_detailed: int = MOST_DETAILED
) -> str:
    """Make one self-contained page about runs.

    Parameters
    ----------
    runs : sequence of RunReport
        From `bayes_grpo.describe_run`.
    left_out : sequence of (str, str)
        What could not be reported, and why.
    most_detailed : int
        Runs that get a section; of several runs there is a table first, and it has all.

    Returns
    -------
    str
        HTML. Everything that comes from a log is escaped, and nothing is loaded from anywhere.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> reports = [bayes_grpo.describe_run(subject) for subject in bayes_grpo.pair_fits([fit])]
    >>> bayes_grpo.report_html(reports).startswith("<!doctype html>")
    True
    """
    jinja = environment()
    names = _distinct([words.label(run.label) for run in runs])
    sections: list[str] = []
    size = 0
    for count, run in enumerate(runs[:most_detailed], 1):
        if run.chart is None or size > MOST_BYTES:
            break
        sections.append(_section(jinja, run, f"run-{count}", names[count - 1] if len(runs) > 1 else ""))
        size += len(sections[-1].encode("utf-8"))
    charts = [run.chart for run in runs[: len(sections)] if run.chart is not None]
    script = resource("chart.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    single = words.label(runs[0].label) if len(runs) == 1 else f"{len(runs)} runs"
    heads, cells = _overview(runs)
    return jinja.get_template("page.html.jinja").render(
        title=f"GRPO training: {single}",
        policy=f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri "
        "'none'; form-action 'none'",
        style=Markup(resource("style.css")),
        script=Markup(script),
        version=version("bayes-grpo"),
        scale=", ".join(f"{word} from {least:g}" for least, word in words.SCALE),
        runs=runs,
        names=names,
        heads=heads,
        cells=cells,
        sections=[Markup(section) for section in sections],
        detailed=len(sections),
        beside=side_by_side(charts) if len(charts) > 1 else None,
        shortened=_shortened(len(runs), len(sections)),
        left_out=list(left_out),
        most_named=MOST_NAMED,
        share=f"{INTERVAL_PROB:.0%}",
    )


def save_report(html: str, path: str | Path) -> Path:
    """Write a page, whole or not at all.

    Parameters
    ----------
    html : str
        From `report_html`.
    path : str or Path
        The file.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OSError
        If it cannot be written; an older file at the path is left as it was.

    Examples
    --------
    >>> import bayes_grpo, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bayes_grpo.save_report("<!doctype html>", pathlib.Path(folder) / "page.html").name
    'page.html'
    """
    path = Path(path)
    write_atomically(path, html.encode("utf-8"))
    return path


def _distinct(labels: list[str]) -> list[str]:
    """Labels with a number behind those that came before."""
    seen: Counter[str] = Counter()
    out = []
    for label in labels:
        seen[label] += 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return out


def _overview(runs: Sequence[RunReport]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the table that compares runs; columns that no run fills are left out."""
    rows = [dict(pair for section in SECTIONS for pair in section.overview(run)) for run in runs]
    heads = [head for head in rows[0] if any(row[head] for row in rows)] if rows else []
    return heads, [[row[head] for head in heads] for row in rows]


def _shortened(count: int, detailed: int) -> str:
    if detailed == count:
        return ""
    return (
        f"{count} runs are in the table; {detailed} of them, the first, have a section with figures. The others' "
        "figures are left out to keep this page small: report fewer runs at once to see them."
    )


def _section(jinja: Environment, run: RunReport, name: str, label: str) -> str:
    """A run's section; ``label`` heads it where there are several."""
    assert run.chart is not None
    leading, further = _ordered(run)
    return jinja.get_template("run.html.jinja").render(
        run=run,
        id=name,
        several=bool(label),
        label=label,
        chart=run.chart,
        figures={
            key: {"svg": Markup(drawn.svg.replace("@", f"{name}-")), "caption": drawn.caption}
            for key, drawn in run.figures.items()
        },
        leading=leading,
        further=further,
        share=f"{INTERVAL_PROB:.0%}",
        most_named=MOST_NAMED,
        sections=_contents(run),
    )


def _ordered(run: RunReport) -> tuple[list[Finding], list[Finding]]:
    """What asks for attention and the answers of `ask`; then what else was found."""
    if run.parts["ask"] is None:
        return run.findings, []
    answers = {reply["text"] for reply in run.parts["ask"]["answers"].values()}
    leads = [finding.attention or finding.text in answers for finding in run.findings]
    leading = [finding for finding, lead in zip(run.findings, leads, strict=True) if lead]
    return leading, [finding for finding, lead in zip(run.findings, leads, strict=True) if not lead]


def _contents(run: RunReport) -> list[dict[str, Any]]:
    """Title, what it found, blocks, and reason for want of an answer, of each section that was asked for."""
    contents: list[dict[str, Any]] = []
    for section in SECTIONS:
        answered = section.answer is None or run.parts[section.name] is not None
        if not answered and section.name not in run.absent:
            continue
        reason = run.absent.get(section.name, "")
        blocks = section.blocks(run) if answered else []
        says = section.says(run) if answered else ""
        contents.append(
            {"title": section.title, "says": says, "chart": section.chart, "reason": reason, "blocks": blocks}
        )
    return contents


@cache
def environment() -> Environment:
    """Templates of the package; what they insert is escaped."""
    jinja = Environment(
        loader=PackageLoader("bayes_grpo.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    jinja.filters |= {"shown": words.shown, "label": words.label, "plain": words.plain, "json": htmlsafe_json_dumps}
    return jinja


@cache
def resource(name: str) -> str:
    """Text of a file beside the templates."""
    return (files("bayes_grpo.report") / name).read_text(encoding="utf-8")
