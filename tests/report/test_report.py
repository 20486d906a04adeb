"""`bayes-grpo report`: what is on the page, what cannot get onto it, and what a real browser makes of it."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import (
    PlannedRun,
    contrast,
    describe_run,
    fit,
    make_run,
    pair_fits,
    plan,
    report_html,
    summarise_contrast,
    summarise_plan,
)
from bayes_grpo.cli import main
from bayes_grpo.report.figures import inline_svg
from bayes_grpo.report.page import MOST_DETAILED
from bayes_grpo.report.side_by_side import side_by_side
from bayes_grpo.report.words import MOST_LABEL, SCALE, shown, sure, surely
from tests.common import FACTS, SAMPLER, curve, interrupt, options
from tests.report.conftest import HOSTILE

SECTIONS = (
    "Findings",
    "Trajectory and forecast",
    "Further findings",
    "The run",
    "Which checkpoint?",
    "Posteriors against priors",
)
SECTIONS += ("Regime: does it ring?",)
SECTIONS += ("Threshold: how stale may rollouts get?", "Which failure is it?", "What would tell more?")
SECTIONS += ("Sampler diagnostics", "Methods")


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_one_run_has_every_section_with_its_numbers(one_page: Path, ringing_fit: xr.DataTree) -> None:
    page = one_page.read_text(encoding="utf-8")
    assert re.findall(r'<h2 class="part">(.*?)(?: <span class="says">.*?</span>)?</h2>', page) == list(SECTIONS)
    text = text_of(page)
    low, high = np.quantile(ringing_fit["posterior"]["plateau"], [0.05, 0.95])
    assert f"{low:.3g} to {high:.3g}" in text
    assert "Forecast under population" in text and "At step 120 the expected reward is" in text
    assert "m x'' + c x' + k(t)" in text and "numpyro" in text and "reward_upper = 1" in text
    assert page.count('role="img"') == 5 and not re.search(r'aria-label=""', page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_what_the_chart_reads_out_is_the_fit(one_page: Path, ringing_fit: xr.DataTree) -> None:
    found = re.search(r'id="run-1-values">(.*?)</script>', one_page.read_text(encoding="utf-8"))
    values = json.loads(found[1])
    rows = np.array(values["rows"][: values["logged"]])
    observed = ringing_fit["observed_data"]["reward"]
    np.testing.assert_allclose(rows[:, 0], observed["optimizer_step"])
    np.testing.assert_allclose(rows[:, 1], observed, rtol=1e-3)
    expected = ringing_fit["latent"]["expected_reward"].quantile([0.5, 0.05, 0.95], "sample")
    np.testing.assert_allclose(rows[:, 2:], expected.T, rtol=1e-3)
    assert values["rows"][-1][0] == 120 and len(values["x"]) == len(values["rows"])


def test_the_picture_has_the_plateau_of_the_answers(two_runs: list) -> None:
    run = two_runs[0]
    stated = run.parts["ask"]["plateau"]
    numbers = f"Plateau {stated['median']:.3g} ({stated['lower']:.3g} to {stated['upper']:.3g})."
    assert numbers in run.chart.alt and f"settles at {stated['median']:.3g} " in run.findings[0].text


def test_nothing_is_loaded_and_only_the_own_script_may_run(one_page: Path, two_page: Path) -> None:
    for path in (one_page, two_page):
        page = path.read_text(encoding="utf-8")
        assert "default-src 'none'; script-src 'sha256-" in html.unescape(page)
        inside = re.findall(r"<(?!/)[a-z][^<>]*>", page)
        assert len(inside) > 500 and not [
            tag for tag in inside if re.search(r"(src|href)=.?(http|//|file|javascript)", tag)
        ]
        assert not re.search(r"https?://", page)


def test_text_from_logs_is_escaped(two_page: Path) -> None:
    page = two_page.read_text(encoding="utf-8")
    assert page.count("<script") == 1 + 2 and "<img" not in page and "onerror=alert(1)>" not in page
    assert "\u202e" not in page and "{{ 7*7 }}" in page
    assert shown(HOSTILE) in text_of(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_reward_column_alone_says_what_cannot_be_told(two_runs: list) -> None:
    run = two_runs[1]
    assert run.label == HOSTILE and run.channels == ["reward"]
    told = " ".join(finding.text for finding in run.findings)
    assert (
        "failure that this log cannot show has probability" in told
        and "Not logged: evaluation_reward" in told
        and "no mass" in told
    )
    assert {note.subject for note in run.assumptions} >= {"reward_bounds", "planned_steps"}
    page = text_of(report_html([run]))
    assert "cannot be told" in page and "reward bounds unknown" in page


def test_several_runs_are_compared_first(two_page: Path, two_runs: list) -> None:
    page = two_page.read_text(encoding="utf-8")
    assert page.index("<table>") < page.index("<details")
    assert page.count("<details") == 2 and 'href="#run-2"' in page
    assert "1 of the inputs could not be reported" in page
    # A column that no run fills is left out: the overdamped law cannot ring.
    assert "P(rings)" in two_page.read_text(encoding="utf-8").split("<tbody>")[0]
    assert "P(rings)" not in report_html([two_runs[1], two_runs[1]]).split("<tbody>")[0]


def test_runs_stand_beside_each_other_on_the_same_axes(two_runs: list, two_page: Path) -> None:
    """A reward has one height and a step one place, in every panel."""
    beside = side_by_side([run.chart for run in two_runs])
    heights, places = [], []
    for run, panel in zip(two_runs, beside.panels, strict=True):
        points = np.array([point.split() for point in panel.line[1:].split("L")], float)
        past = np.array(run.chart.data["rows"][: run.chart.data["logged"]])
        places += zip(past[:, 0], points[:, 0], strict=True)
        heights += zip(past[:, 2], points[:, 1], strict=True)
    for pairs in (np.array(places), np.array(heights)):
        line = np.polyfit(*pairs.T, 1)
        np.testing.assert_allclose(np.polyval(line, pairs[:, 0]), pairs[:, 1], atol=0.2)
    page = two_page.read_text(encoding="utf-8")
    assert (
        page.count('<figure class="panel">') == 2
        and beside.axes in page
        and page.index("panels") < page.index("<details")
    )
    assert '<figure class="panel">' not in report_html([two_runs[0]])


def test_two_hundred_runs_stay_small_and_say_what_is_left_out(two_runs: list, hostile_fit: xr.DataTree) -> None:
    bare = describe_run(pair_fits([hostile_fit])[0], figures=False)
    page = report_html([two_runs[0]] * MOST_DETAILED + [bare] * (200 - MOST_DETAILED))
    assert len(page.encode()) < 20e6 and page.count("<details") == MOST_DETAILED and page.count("<tr>") > 200
    assert f"200 runs are in the table; {MOST_DETAILED} of them, the first, have a section" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_json_of_a_log_that_is_fitted_and_one_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    log, out, broken = (tmp_path / name for name in ("log.jsonl", "r.html", "broken.csv"))
    log.write_text("".join(json.dumps({"step": i, "reward": r}) + "\n" for i, r in enumerate(curve(), 1)))
    broken.write_text("a,b\n1,2\n", encoding="utf-8")
    arguments = ["report", str(log), str(broken), "--out", str(out), "--json", "--models", "oscillator,overdamped"]
    code = main([*arguments, *options(SAMPLER)])
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert code == 2 and "broken.csv" in captured.err and out.stat().st_size > 1e5
    assert set(found) == {"file", "runs", "left_out", "warnings", "notes", "findings"}
    assert [one["run"] for one in found["left_out"]] == [str(broken)]
    (run,) = found["runs"]
    assert set(run["diagnostics"]) == {"oscillator", "s_curve"}
    assert {row["model"] for row in run["comparison"]["table"]} == {"oscillator", "overdamped"}
    assert run["forecast"]["model"] == "s_curve" and run["forecast"]["until"] == 90  # half as many steps again
    kinds = {one["about"] for one in found["findings"]}
    assert kinds >= {"plateau", "regime", "forecast", "threshold", "diagnosis", "comparison", "checkpoint"}
    for one in found["findings"]:
        assert one["sure"] is None or one["sure"] == sure(one["probability"])
    assert "Which law?" in out.read_text(encoding="utf-8")


def test_the_five_answers_open_the_findings(two_runs: list) -> None:
    """They are the sentences of `ask`, in its order but for those that ask for attention."""
    run = two_runs[0]
    replies = [reply["text"] for reply in run.parts["ask"]["answers"].values()]
    texts = [finding.text for finding in run.findings]
    assert set(replies) <= set(texts)
    calm = [finding.text for finding in run.findings if not finding.attention]
    assert [text for text in calm if text in replies] == [text for text in replies if text in calm]
    assert run.parts["ask"]["model"] == "population"
    # What another law says of the plateau names that law.
    assert any(text.startswith("By the law oscillator, the expected reward settles at") for text in texts)
    # What it says of the forecast and the diagnosis is not said twice.
    assert not [text for text in texts if "the rule's advice" in text or text.startswith("Diagnosis:")]


def test_a_plan_and_a_comparison_stand_beside_what_came(ringing_fit: xr.DataTree, ahead_fit: xr.DataTree) -> None:
    (subject,) = pair_fits([ringing_fit, ahead_fit])
    foretold = summarise_plan(plan(0.2, PlannedRun(group_size=8, prompts_per_step=16, steps=60)))
    compared = summarise_contrast(contrast({"A": [ahead_fit], "B": [ahead_fit]}, lengths=False))
    run = describe_run(subject, plan=foretold, contrast=compared, figures=False)
    sentence = next(finding for finding in run.findings if finding.about == "plan")
    seen = run.parts["ask"]["plateau"]
    agree = max(seen["lower"], foretold["options"][0]["plateau"]["lower"]) <= min(
        seen["upper"], foretold["options"][0]["plateau"]["upper"]
    )
    assert sentence.attention == (not agree) and ("they agree" in sentence.text) == agree
    assert any(finding.text == compared["statement"] for finding in run.findings)
    page = text_of(report_html([describe_run(subject, plan=foretold, contrast=compared)]))
    assert "What was foretold?" in page and "Is this configuration better?" in page and "A (this run)" in page
    other = describe_run(subject, contrast=compared | {"ranking": [{"runs": ["another"]}]}, figures=False)
    assert "not among those that were compared, which are another" in other.absent["contrast"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [("{", "found no JSON"), ("[]", "found no options"), ('{"options": [{}]}', "options.plateau: missing")],
)
def test_a_plan_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture, content: str, fault: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    assert main(["report", "none.jsonl", "--out", str(tmp_path / "page.html"), "--plan", str(path)]) == 2
    assert fault in capsys.readouterr().err


def test_an_interrupted_report_has_what_was_done(saved: list[str], tmp_path: Path) -> None:
    """Ctrl-C in the second run's fit: the page has the first, and names the one that is missing."""
    log, out = tmp_path / "log.jsonl", tmp_path / "page.html"
    log.write_text("".join(json.dumps({"step": i, "reward": r}) + "\n" for i, r in enumerate(curve(), 1)))
    done = interrupt("report", *saved, log, "--out", out, "--draws", "250000", folder=tmp_path)
    assert done.returncode == 130, done.stderr
    assert "the page has the runs that were done" in done.stderr and "Traceback" not in done.stderr
    page = text_of(out.read_text(encoding="utf-8"))
    assert "interrupted before its turn" in page and "Posteriors against priors" in page


def test_one_of_runs_fitted_together_by_a_model_file(tmp_path: Path) -> None:
    from bayes_grpo import combine

    model = tmp_path / "same_noise.toml"
    shared = '[parameters.observation_sd]\npooling = "shared"\n'
    model.write_text(
        f'summary = "."\nequation = "."\nsource = "."\nextends = "exponential"\n{shared}', encoding="utf-8"
    )
    steps = np.arange(1, 61)
    runs = [make_run(f"run {i}", {"optimizer_step": steps, "reward": curve(seed=i)}, FACTS) for i in range(2)]
    together = fit(combine(runs), model, seed=3, **SAMPLER)
    subjects = pair_fits([together])
    assert [one.run for one in subjects] == ["run 0", "run 1"]
    reports = [describe_run(one, model=model) for one in subjects]
    for i, run in enumerate(reports):
        mine = together["posterior"]["plateau"].sel(run=f"run {i}")
        assert run.summary["parameters"]["plateau"]["mean"] == pytest.approx(float(mine.mean()))
        assert run.parts["forecast"]["run"] == f"run {i}" and run.rewards == 60
    assert report_html(reports).count("<details") == 2


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--out", "none/r.html"], "does not exist"),
        (["--out", "r.pdf"], "--out: expected a name ending in .html"),
        (["--out", "r.html", "--until", "soon"], "--until: expected a number, found 'soon'"),
        (["--out", "r.html", "--models", "exponential"], "expected at least 2"),
    ],
)
def test_bad_input_is_refused_before_anything_is_fitted(
    arguments: list[str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "missing.csv", *arguments]) == 2
    captured = capsys.readouterr()
    assert fault in captured.err and captured.out == "" and "Traceback" not in captured.err


def test_long_lines_are_drawn_as_pixels() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def svg(points: int) -> str:
        figure = Figure(figsize=(6, 3))
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.plot(np.random.default_rng(0).normal(size=points), ".", label="noise")
        axes.set_title("5 < 6")
        return inline_svg(figure, "one", 'a "quoted" <alt>')

    few, many = svg(500), svg(50_000)
    assert "data:image/png" not in few and "data:image/png" in many and len(many) < 300_000
    assert few.startswith("<svg") and "xmlns" not in few and "5 &lt; 6" in few
    assert 'aria-label="a &quot;quoted&quot; &lt;alt&gt;"' in few


def test_words_and_foreign_text() -> None:
    assert [sure(p) for p in (1, 0.95, 0.7, 0.5, 0.2, 0.05, 0)] == [word for _, word in SCALE]
    # The word is that of the number beside it.
    assert surely(0.6551) == "likely (0.66)" and surely(0.6549) == "about as likely as not (0.65)"
    assert surely(0.0951) == "unlikely (0.10)" and surely(0.0099) == "almost impossible (below 0.01)"
    long = shown("x" * 10_000 + "\x00\ud800", MOST_LABEL)
    assert len(long) < MOST_LABEL + 20 and "\\x00\\ud800" in long


def test_colours_can_be_told_apart() -> None:
    """Contrast of text against page and panels is at least 4.5 (WCAG 2, level AA), light, dark and printed."""
    import bayes_grpo.report.page as page

    def luminance(colour: str) -> float:
        colour = "".join(c * 2 for c in colour) if len(colour) == 3 else colour
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    schemes = [
        dict(re.findall(r"--(\w+): #(\w+)", block))
        for block in re.findall(r":root \{(.*?)\}", page.resource("style.css"))
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        for ink in ("text", "soft", "link", "alert"):
            for ground in ("page", "tint"):
                low, high = sorted((luminance(scheme[ink]), luminance(scheme[ground])))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground, scheme)
