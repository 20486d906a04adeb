"""Sections of the page: a new one is one entry."""

import json
from dataclasses import replace

import pytest
import xarray as xr

from bayes_grpo import describe_run, pair_fits, report_html
from bayes_grpo.report import describe, page
from bayes_grpo.report.methods import PAPERS
from bayes_grpo.report.section import Answer, Finding, Grid, Section
from bayes_grpo.report.sections import SECTIONS

DOUBLED = Section(
    name="doubled",
    title="Twice the rewards",
    blocks=lambda run: [Grid("Rewards", ("", "count"), [("twice", str(run.parts["doubled"]["count"]))])],
    answer=lambda material: Answer({"count": 2 * material.fit["observed_data"].sizes["step"], "notes": []}),
    findings=lambda run: [Finding("doubled", f"Twice as many would be {run.parts['doubled']['count']}.")],
    overview=lambda run: [("twice", str(run.parts["doubled"]["count"]))],
    method=lambda summary: "Rewards were counted.",
    cites=("grpo",),
)


def test_a_new_section_is_one_entry(small_fit: xr.DataTree, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = pair_fits([small_fit])[0]
    for module in (describe, page):
        monkeypatch.setattr(module, "SECTIONS", [*SECTIONS, DOUBLED])
    run = describe_run(subject, figures=True)
    assert json.loads(json.dumps(run.as_dict()))["doubled"]["count"] == 120
    html = report_html([run])
    assert '<h2 class="part">Twice the rewards' in html and "Twice as many would be 120." in html
    assert "Rewards were counted." in html
    several = report_html([run, run])
    assert '<th scope="col">twice</th>' in several and "<td>120</td>" in several


def test_a_section_without_an_answer_says_why_or_is_left_out(
    small_fit: xr.DataTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = pair_fits([small_fit])[0]
    refused = replace(DOUBLED, answer=lambda material: "nothing to count")
    silent = replace(DOUBLED, name="silent", title="Not asked", answer=lambda material: None)
    quiet = {"findings": lambda run: [], "overview": lambda run: []}
    extended = [*SECTIONS, replace(refused, **quiet), replace(silent, **quiet)]
    for module in (describe, page):
        monkeypatch.setattr(module, "SECTIONS", extended)
    run = describe_run(subject)
    assert run.absent["doubled"] == "nothing to count" and "silent" not in run.absent
    html = report_html([run])
    assert "nothing to count" in html and "Not asked" not in html


def test_sections_are_told_apart_and_cite_papers_that_are_listed() -> None:
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)
    assert len({section.rank for section in SECTIONS}) == len(SECTIONS)
    assert all(paper in PAPERS for section in SECTIONS for paper in section.cites)
