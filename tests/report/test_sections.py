"""Sections of the page: a new one is one entry."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import (
    describe_run,
    entropy_ceiling,
    fit,
    make_run,
    pair_fits,
    plot_entropy_ceiling,
    report_html,
    summarise_entropy_ceiling,
)
from bayes_grpo.report import describe, page
from bayes_grpo.report.methods import PAPERS
from bayes_grpo.report.section import Answer, Finding, Grid, Section
from bayes_grpo.report.sections import SECTIONS
from tests.common import SAMPLER, curve

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


@pytest.fixture(scope="module")
def traded() -> xr.Dataset:
    """A run whose entropy falls as its reward rises, by R = 0.8 - 0.4 (exp(H) - 1) and noise."""
    reward = curve()
    entropy = np.log1p(np.maximum(0.8 - reward, 0.02) / 0.4)
    return make_run("traded", {"optimizer_step": np.arange(1, reward.size + 1), "reward": reward, "entropy": entropy})


def test_the_entropy_ceiling_stands_where_entropy_is_logged(traded: xr.Dataset, small_fit: xr.DataTree) -> None:
    """The section says what the command says, of the run's own log; a log without entropy has no such section."""
    ceiling = summarise_entropy_ceiling(entropy_ceiling(traded))
    run = describe_run(pair_fits([fit(traded, "overdamped", seed=3, **SAMPLER)])[0])
    assert run.parts["ceiling"]["ceiling"] == ceiling["ceiling"] and ceiling["ceiling"] is not None
    (finding,) = (each for each in run.findings if each.about == "entropy ceiling")
    assert finding.text == ceiling["statement"] and finding.probability == ceiling["probability_pays"]
    assert ceiling["statement"] in run.figures["ceiling"].alt
    html = report_html([run])
    assert "What does the entropy leave to be had?" in html and "arXiv 2505.22617" in html
    assert f"{ceiling['ceiling']['lower']:.3g} to {ceiling['ceiling']['upper']:.3g}" in html
    assert f"the reward ends at {ceiling['ceiling']['median']:.3g} (" in html or "is at its entropy ceiling" in html
    without = describe_run(pair_fits([small_fit])[0], figures=False)
    assert without.parts["ceiling"] is None and "ceiling" not in without.absent
    assert "What does the entropy leave to be had?" not in report_html([without])


def test_a_ceiling_is_drawn_where_entropy_pays_alone(traded: xr.Dataset) -> None:
    result = entropy_ceiling(traded)
    (axes,) = plot_entropy_ceiling(result).axes
    line = axes.get_lines()[1]
    np.testing.assert_allclose(line.get_ydata()[0], np.median(result["ceiling"]))
    assert line.get_xdata()[0] == 0 and [text.get_text() for text in axes.get_legend().get_texts()][-1] == "ceiling"
    unpaid = result.assign(price=-abs(result["price"]))
    assert len(plot_entropy_ceiling(unpaid).axes[0].get_lines()) == 1
