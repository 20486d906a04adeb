"""Comparisons: calibrated on simulated pairs, the spread between seeds recovered, and what is needed foretold."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from bayes_grpo import InputError, contrast, make_run, plot_contrast, prior_predictive, save_fit, summarise_contrast
from bayes_grpo.analysis.decisions.contrast.needed import by_length, by_seeds, is_settled, unexplained
from bayes_grpo.analysis.decisions.contrast.seeds import Prior, configuration, spread_between_seeds
from bayes_grpo.analysis.decisions.contrast.shared import shared_parameters
from bayes_grpo.analysis.decisions.contrast.statement import statement
from bayes_grpo.analysis.decisions.words import chance
from bayes_grpo.inference.attributes import log_evidence_of
from bayes_grpo.inference.draws import batch
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.models.files import DEFAULT_MODEL
from tests.common import FACTS, call, curve

#: Pairs of simulated runs of the test of calibration.
PAIRS = 40


def run_of(name: str, plateau: float, seed: int, rows: int = 60, **facts: float) -> xr.Dataset:
    """Rewards that rise from 0.2 with timescale 12, with sampling noise 0.04."""
    rng, time = np.random.default_rng(seed), np.arange(rows)
    rewards = plateau - (plateau - 0.2) * np.exp(-time / 12) + 0.04 * rng.normal(size=rows)
    columns = {"optimizer_step": time + 1, "reward": np.clip(rewards, 0, 1), "step_time": np.full(rows, 30.0)}
    return make_run(name, columns, FACTS | facts)


@pytest.fixture(scope="module")
def pair() -> xr.Dataset:
    """A settles 0.1 above B, two seeds each."""
    sides = {name: [light_fit(run_of(f"{name}{i}", p, 10 * i + (p > 0.65)), seed=i) for i in (0, 1)]
             for name, p in (("A", 0.7), ("B", 0.6))}  # fmt: skip
    return contrast(sides, seed=1)


def test_a_known_difference_is_found(pair: xr.Dataset) -> None:
    """0.1 is many standard errors: 0.04 / sqrt(60) a run; outside the interval at 1 seed in 10."""
    summary = summarise_contrast(pair)
    row = summary["differences"]["plateau"]
    assert row["lower"] < 0.1 < row["upper"] and summary["probability_better"] > 0.98
    assert row["probability_worth"] > 0.98 and summary["needed"]["settled"] and summary["needed"]["seeds"] == 0
    assert "A is better than B with probability" in summary["statement"]
    assert "No further seeds or steps are needed" in summary["statement"]
    # Same timescale, noise and price a step: no difference in speed and noise, and equal steps cost equal hours.
    assert 0.02 < summary["differences"]["steps_to_95"]["probability_better"] < 0.98
    assert summary["differences"]["noise"]["lower"] < 1 < summary["differences"]["noise"]["upper"]
    hours, steps = (summary["differences"][name] for name in ("hours_to_95", "steps_to_95"))
    assert hours["first"]["median"] == pytest.approx(steps["first"]["median"] * 30 / 3600, rel=0.05)
    assert summary["points"]["completions"] == 60 * 8 * 16 and summary["points"]["hours"] == pytest.approx(0.5)


def test_the_other_way_round_is_the_mirror(pair: xr.Dataset) -> None:
    summary = summarise_contrast(pair.isel(configuration=[1, 0]))
    assert summary["first"] == "B"
    other = summarise_contrast(pair)
    assert summary["probability_better"] == pytest.approx(1 - other["probability_better"])
    # Whichever comes first, the sentences speak of the better one.
    for by in ("plateau", "steps_to_95", "noise"):
        told = [summarise_contrast(order, by=by)["statement"] for order in (pair, pair.isel(configuration=[1, 0]))]
        first, second = (text.split(". ")[:2] for text in told)
        assert first == second
    assert "A is better than B" in summary["statement"] and "A less B is 0." in summary["statement"]
    row = other["differences"]["plateau"]
    assert (
        f"above 0.01 (1 % of the stated range) with probability {chance(row['probability_worth'])}"
        in (summary["statement"])
    )
    assert "above 0.02 (as stated)" in summarise_contrast(pair, worth=0.02)["statement"]


def test_probabilities_are_calibrated_on_simulated_pairs() -> None:
    """Pairs drawn from the model's own prior, 40 rows of 120 planned: of p of them in a hundred A is better.

    With true probabilities p the two scores are standard normal: beyond 3.3 at 1 seed in 1,000 each.
    """
    template = run_of("pair", 0.7, 0, rows=40, planned_steps=120).drop_vars("step_time")
    drawn = prior_predictive(template, "population", draws=2 * PAIRS, seed=5)
    rng, chances, better = np.random.default_rng(5), [], []
    for i in range(PAIRS):
        sides, truth = {}, []
        for name, j in (("A", 2 * i), ("B", 2 * i + 1)):
            rewards = drawn["reward"].values[j][None]
            sides[name] = [light_fit(template.assign(reward=(("run", "step"), rewards)), seed=j)]
            truth.append(float(drawn["plateau"][j]))
        result = contrast(sides, any_start=True, lengths=False, seed=i)
        spread = np.median(result["spread"].sel(measure="plateau"))
        chances.append(summarise_contrast(result)["probability_better"])
        better.append(truth[0] - truth[1] + spread * np.sqrt(2) * rng.normal() > 0)
    p, y = np.clip(chances, 0.001, 0.999), np.array(better, float)
    scale = np.sqrt((p * (1 - p)).sum())
    assert abs((y - p).sum()) < 3.3 * scale
    tilt = (p - 0.5) / np.sqrt(((p - 0.5) ** 2 * p * (1 - p)).sum())
    assert abs((tilt * (y - p)).sum()) < 3.3
    assert np.mean((p > 0.5) == y) > 0.6  # and they are not all one half


def test_the_spread_between_seeds_is_recovered() -> None:
    """True spreads inside 90 % intervals: of 60, fewer than 46 at 1 seed in 1,000."""
    rng, inside, errors = np.random.default_rng(3), 0, []
    for _ in range(60):
        tau = 0.02 * np.exp(rng.normal())
        centres = [rng.normal(0.5, 0.1) + tau * rng.normal(size=4) for _ in range(2)]
        runs = [[c + 0.005 * rng.normal() + 0.005 * rng.normal(size=800) for c in side] for side in centres]
        spread = spread_between_seeds(runs, 0.02, 1.0, rng)
        low, high = np.quantile(spread.draws, [0.05, 0.95])
        inside += bool(low < tau < high)
        mean = configuration(runs[0], spread.draws, rng)
        errors.append(mean.std() / np.sqrt(0.005**2 / 4 + spread.draws**2 / 4).mean())
    assert spread.learned and inside >= 46
    assert np.mean(errors) == pytest.approx(1, abs=0.25)
    assert not spread_between_seeds([[runs[0][0]], [runs[1][0]]], 0.02, 1.0, rng).learned


def test_the_prior_of_the_fits_is_counted_once() -> None:
    """Three Gaussian runs whose fits all hold the prior: the closed form of all their data under one prior."""
    rng, tau = np.random.default_rng(0), 0.3
    prior, errors, seen = Prior(0.5, 0.4), np.array([0.6, 0.9, 0.5]), np.array([1.4, 0.2, 0.9])
    precision = 1 / errors**2 + 1 / prior.sd**2
    centres = (seen / errors**2 + prior.centre / prior.sd**2) / precision
    runs = [rng.normal(c, p**-0.5, 40_000) for c, p in zip(centres, precision, strict=True)]
    mean = configuration(runs, np.full(40_000, tau), rng, prior)
    weight = 1 / (errors**2 + tau**2)
    total = weight.sum() + 1 / prior.sd**2
    assert mean.mean() == pytest.approx(((weight * seen).sum() + prior.centre / prior.sd**2) / total, abs=0.02)
    assert mean.std() == pytest.approx(total**-0.5, rel=0.03)
    assert mean.std() > 1.05 * configuration(runs, np.full(40_000, tau), rng).std()
    # Draws that are the prior's own say next to nothing: two such runs leave the prior, but for the least share.
    blank = [rng.normal(prior.centre, prior.sd, 40_000) for _ in range(2)]
    assert 0.9 * prior.sd < configuration(blank, np.full(40_000, tau), rng, prior).std() < 1.02 * prior.sd
    # A fit that is shifted and no narrower does not run away: two such runs stay within twice the shift.
    shifted = [draws + 0.4 for draws in blank]
    moved = configuration(shifted, np.full(40_000, tau), rng, prior).mean() - prior.centre
    assert 0.4 < moved < 0.8


def test_further_seeds_against_the_closed_form() -> None:
    """A Gaussian difference and a known spread: the posterior mean to come is Gaussian too, settled in two tails."""
    rng = np.random.default_rng(0)
    mean, sd, tau, error = 0.02, 0.03, 0.02, 0.01
    seen = by_seeds(rng.normal(mean, sd, 100_000), np.full(100_000, tau), error, 1e-9, rng)
    for count in (1, 4, 16):
        noise = 2 * (tau**2 + error**2) / count
        left = 1 / (1 / sd**2 + 1 / noise)
        width, edge = np.sqrt(sd**2 - left), norm.ppf(0.95) * np.sqrt(left)
        expected = norm.sf((edge - mean) / width) + norm.cdf((-edge - mean) / width)
        assert seen[count] == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(2000))
    assert seen[64] > seen[16] > seen[1]


def test_equal_configurations_settle_as_equal() -> None:
    assert is_settled(np.array([0.0]), np.array([0.003]), 0.01)[0]
    assert not is_settled(np.array([0.0]), np.array([0.02]), 0.01)[0]
    shares, endless = by_length(np.random.default_rng(0).normal(0, 0.02, 5000), 0.02**2, {2.0: 0.5, 4.0: 0.0}, 0.01)
    assert shares[2.0] < shares[4.0] == endless > 0.95


def test_longer_runs_leave_as_much_as_foretold() -> None:
    """Refits of six runs at twice their length: the share of variance left, in the mean, within a factor of 2."""
    foretold, left = [], []
    for seed in range(6):
        long = run_of("long", 0.7, 50 + seed, rows=60, planned_steps=60)
        short = long.isel(step=slice(30))
        first, second = light_fit(short), light_fit(long)
        foretold.append(unexplained(first)[2.0])
        left.append(float(second["posterior"]["plateau"].var() / first["posterior"]["plateau"].var()))
    assert 0.5 < np.mean(left) / np.mean(foretold) < 2
    assert np.mean(foretold) < 0.8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seeds": 3}, "3 further seeds a side would settle it with .* or more; longer runs of these seeds"),
        ({"seeds": 1, "length": 2.0, "steps": 120.0}, "1 further seed a side .*; so would runs up to step 120"),
        ({}, "Even 64 further seeds a side would settle it with probability 0.70 only; longer .* would not"),
        (
            {"probability_settled_by_endless_runs": 0.9},
            "longer runs of these seeds would in the end, at 4 times their length with 0.60",
        ),
    ],
)  # fmt: skip
def test_what_is_needed_in_words(pair: xr.Dataset, changes: dict, expected: str) -> None:
    summary = summarise_contrast(pair)
    open_question = {"settled": False, "seeds": None, "length": None, "steps": None}
    open_question |= {"probability_settled_by_seeds": {"64": 0.7}, "probability_settled_by_length": {"4": 0.6}}
    needed = open_question | {"probability_settled_by_endless_runs": 0.6} | changes
    assert re.search(expected, statement(summary | {"needed": needed}))


def test_several_configurations_are_ranked() -> None:
    fits = {name: [light_fit(run_of(name, p, i))] for i, (name, p) in enumerate((("A", 0.5), ("B", 0.7), ("C", 0.6)))}
    result = contrast(fits, lengths=False)
    summary = summarise_contrast(result)
    assert [row["configuration"] for row in summary["ranking"]] == ["B", "C", "A"]
    assert sum(row["probability_best"] for row in summary["ranking"]) == pytest.approx(1)
    assert sum(row["probability_among_best"]["2"] for row in summary["ranking"]) == pytest.approx(2)
    assert summary["second"] == "B" and set(summary["against"]) == {"B", "C"}
    assert "B is the best of 3" in summary["statement"]
    assert not summary["spread_learned"] and any(note["subject"] == "spread" for note in summary["notes"])
    figure = plot_contrast(result)
    assert figure.axes[0].get_title() == "plateau"
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"reward_upper": 4.0}, "expected rewards of one scale, found 0 to 1 and 0 to 4"),
        ({"start": 0.75}, "expected one task, found starts at 0.2"),
        ({"component": "format"}, "expected the same reward functions, found exact and format"),
    ],
)
def test_other_scales_and_tasks_are_refused(facts: dict, fault: str) -> None:
    def run(name: str, start: float = 0.2, component: str = "exact", **known: float) -> xr.Dataset:
        rewards = curve() + start - 0.2 if start == 0.2 else start + 0.1 * (curve() - 0.2)
        columns = {"optimizer_step": np.arange(1, 61), "reward": rewards}
        return make_run(name, columns, FACTS | known, components={component: rewards})

    sides = {"A": [light_fit(run("a"))], "B": [light_fit(run("b", **facts))]}
    with pytest.raises(InputError, match=r"a \(A\) and b \(B\): .*") as error:
        contrast(sides)
    assert fault in str(error.value)
    if "start" in facts:
        assert contrast(sides, any_start=True, lengths=False).sizes["configuration"] == 2


def test_measures_that_logs_do_not_tell(pair: xr.Dataset) -> None:
    with pytest.raises(InputError, match="by: not all logs tell reward_at_tokens"):
        summarise_contrast(pair, by="reward_at_tokens")
    with pytest.raises(InputError, match="by: expected one of plateau, .*found 'fame'"):
        summarise_contrast(pair, by="fame", worth=-1)


def test_seeds_that_share_their_parameters_are_fitted_together() -> None:
    """The oracle: draws of one seed's fit, weighted by what they say of the other's rewards."""
    fits = [light_fit(run_of(f"s{i}", 0.7, i, rows=20), "population", seed=i) for i in (0, 1)]
    shared = shared_parameters(fits, 4000)
    assert shared is not None and shared.probability > 0.9
    spec, other = reopen(fits[1])
    draws = batch(fits[0]["posterior"].to_dataset(), spec.parameters)
    log_weight = evaluator(spec).pointwise(draws, other.data).sum(1)
    weight = np.exp(log_weight - log_weight.max())
    plateau = fits[0]["posterior"]["plateau"].values.ravel()
    mean = (weight * plateau).sum() / weight.sum()
    sd = np.sqrt((weight * (plateau - mean) ** 2).sum() / weight.sum())
    effective = weight.sum() ** 2 / (weight**2).sum()
    assert effective > 50
    # Four standard errors of the oracle, whose draws are fewer.
    assert shared.draws["plateau"].mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(effective))
    assert shared.draws["plateau"].std() == pytest.approx(sd, rel=4 / np.sqrt(2 * effective))


def test_the_evidence_that_fits_carry_is_what_sampling_them_again_gives() -> None:
    """Two estimates of a fit's log evidence differ by some hundredths; half a nat would be a fault."""
    fits = [light_fit(run_of(f"s{i}", 0.7, i, rows=20), "population", seed=i) for i in (0, 1)]
    carried = shared_parameters(fits, 400)
    assert all(log_evidence_of(fit) is not None for fit in fits)
    for fit in fits:
        del fit.attrs["log_evidence"]  # as in fits that were saved before, and in those by NUTS
    sampled = shared_parameters(fits, 400)
    assert carried is not None and sampled is not None
    odds = [np.log(shared.probability / (1 - shared.probability)) for shared in (carried, sampled)]
    assert odds[0] == pytest.approx(odds[1], abs=0.5)
    np.testing.assert_array_equal(carried.draws["plateau"], sampled.draws["plateau"])


def test_short_seeds_are_not_taken_for_independent() -> None:
    """Of runs that show the beginning of a slow rise, two say little more of the plateau than one."""
    short = [light_fit(run_of(f"s{i}", 0.7, i, rows=10, planned_steps=100), "population", seed=i) for i in range(4)]
    one, two = ({"A": short[:n], "B": short[2 : 2 + n]} for n in (1, 2))
    widths = [
        contrast(sides, lengths=False)["value"].sel(measure="plateau").std("sample").values for sides in (one, two)
    ]
    assert (widths[1] > 0.75 * widths[0]).all()


def test_seeds_that_differ_have_parameters_of_their_own() -> None:
    apart = [light_fit(run_of(f"s{i}", plateau, i), "population", seed=i) for i, plateau in enumerate((0.4, 0.8))]
    shared = shared_parameters(apart, 400)
    assert shared is None or shared.probability < 1e-3
    assert shared_parameters([apart[0], light_fit(run_of("s", 0.6, 2), "overdamped")], 400) is None


def test_the_command(tmp_path: Path) -> None:
    logs = []
    for name, plateau, seed in (("a", 0.7, 0), ("b", 0.5, 1)):
        run = run_of(name, plateau, seed)
        rows = [
            json.dumps({"step": int(step), "reward": float(reward)})
            for step, reward in zip(run["optimizer_step"].values[0], run["reward"].values[0], strict=True)
        ]
        logs.append(tmp_path / f"{name}.jsonl")
        logs[-1].write_text("\n".join(rows))
    stated = ("--reward-bounds", "0", "1", "--group-size", "8")
    figure = tmp_path / "contrast.png"
    done = call("contrast", logs[0], "--against", logs[1], *stated, "--json", "--figure", figure)
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and {"probability_better", "differences", "needed", "statement"} <= set(answer)
    assert answer["probability_better"] > 0.95 and figure.read_bytes().startswith(b"\x89PNG")
    assert answer["models"] == [DEFAULT_MODEL]
    other = json.loads(
        call("contrast", logs[0], "--against", logs[1], *stated, "--model", "population", "--json").stdout
    )
    assert other["models"] == ["population"] and other["differences"]["plateau"] != answer["differences"]["plateau"]
    save_fit(light_fit(run_of("c", 0.6, 2)), tmp_path / "c.nc")
    three = (logs[0], "--against", logs[1], "--against", tmp_path / "c.nc", "--names", "high", "low", "middle")
    shown = call("contrast", *three, *stated, columns=80)
    assert "…" not in shown.stdout
    assert shown.stdout.splitlines()[:3] == ["high: a", "low: b", "middle: c"]
    assert "high is the best of 3" in shown.stdout.replace("\n", " ")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    wrong = call("contrast", logs[0], "--against", logs[1], "--names", "x", "--worth", "0")
    assert wrong.returncode == 2 and "--worth: expected a number above 0" in wrong.stderr
    assert "--names: expected 2 different names" in wrong.stderr
