"""The entropy ceiling: runs of known trade, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import InputError, entropy_ceiling, example_run, make_run, summarise_entropy_ceiling
from bayes_grpo.analysis.ceiling.trade import EXPONENT_SD, EXPONENTS, SHARES, TIME_CONSTANTS, learn_trade, left
from bayes_grpo.cli import main

CEILING, PRICE = 0.8, 0.4


def traded(seed: int, rows: int = 120, price: float = PRICE) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and entropy of a run: the entropy falls from 0.9 to 0.2 nat, the residual is slow and white."""
    rng = np.random.default_rng(seed)
    entropy = 0.2 + 0.7 * np.exp(-np.arange(rows) / 30)
    slow = np.zeros(rows)
    for row in range(1, rows):
        slow[row] = 0.9 * slow[row - 1] + 0.01 * rng.standard_normal()
    reward = CEILING - price * left(entropy, 1.0) + slow + 0.03 * rng.standard_normal(rows)
    return reward, entropy + 0.02 * rng.standard_normal(rows)


def run(seed: int = 0, price: float = PRICE, **known: float) -> xr.Dataset:
    reward, entropy = traded(seed, price=price)
    steps = np.arange(1, reward.size + 1)
    return make_run("log", {"optimizer_step": steps, "reward": reward, "entropy": entropy}, known)


def write(folder: Path, log: xr.Dataset) -> Path:
    path = folder / "log.jsonl"
    columns = (log[name].values[0].tolist() for name in ("optimizer_step", "reward", "entropy"))
    rows = [dict(zip(("step", "reward", "entropy"), row, strict=True)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_intervals_hold_the_ceiling_as_often_as_they_say() -> None:
    """Of 150 runs from the prior, 126 to 144 of the 90 % intervals: a false alarm in 80 seeds (binomial, 0.9)."""
    held, rows, chance = 0, 80, np.exp(-0.5 * ((EXPONENTS - 1) / EXPONENT_SD) ** 2)
    course = 0.2 + 0.7 * np.exp(-np.arange(rows) / 30)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        share, tau = rng.choice(SHARES), rng.choice(np.geomspace(1, rows, TIME_CONSTANTS))
        slow, keep = rng.standard_normal(rows), np.exp(-1 / tau)
        for row in range(1, rows):
            slow[row] = keep * slow[row - 1] + np.sqrt(1 - keep**2) * slow[row]
        residual = np.sqrt(share) * slow + np.sqrt(1 - share) * rng.standard_normal(rows)
        unspent = left(course, float(rng.choice(EXPONENTS, p=chance / chance.sum())))
        reward = CEILING - 0.3 * unspent / np.ptp(unspent) + 0.02 * residual
        low, high = np.quantile(learn_trade(reward, course, 500, rng).ceiling, [0.05, 0.95])
        held += low <= CEILING <= high
    assert 126 <= held <= 144


def test_a_trade_that_bends_is_seen_where_noise_is_small() -> None:
    """Reward linear in the entropy (exponent 0), from 1.5 to 0.5 nat, noise 0.002: the exponent moves there from 1."""
    rng, entropy = np.random.default_rng(0), np.linspace(1.5, 0.5, 200)
    trade = learn_trade(0.8 - 0.3 * entropy + 0.002 * rng.standard_normal(200), entropy, 1000, rng)
    assert np.median(trade.exponent) <= 0.25
    low, high = np.quantile(trade.ceiling, [0.05, 0.95])
    assert low <= 0.8 <= high and high - low < 0.2


def test_a_slow_residual_widens_the_interval() -> None:
    """The same scatter, independent from row to row or not: the second says less."""
    rng = np.random.default_rng(1)
    entropy = np.linspace(1.0, 0.3, 100)
    white = 0.05 * rng.standard_normal(100)
    slow = np.convolve(rng.standard_normal(129), np.ones(30), "valid")
    slow *= 0.05 / slow.std()
    widths = [
        np.ptp(np.quantile(learn_trade(0.5 - 0.2 * np.exp(entropy) + rest, entropy, 1000, rng).ceiling, [0.05, 0.95]))
        for rest in (white, slow)
    ]
    assert widths[1] > 1.5 * widths[0]


def test_scales_and_long_logs_change_nothing() -> None:
    """Rewards in other units give the same answer in them, and so does a log of which every row stands ten times."""
    reward, entropy = traded(3)
    middle = np.median(learn_trade(reward, entropy, 2000, np.random.default_rng(0)).ceiling)
    scaled = np.median(learn_trade(100 * reward - 7, entropy, 2000, np.random.default_rng(0)).ceiling)
    assert scaled == pytest.approx(100 * middle - 7)
    long = learn_trade(reward.repeat(10), entropy.repeat(10), 2000, np.random.default_rng(0))
    assert np.median(long.ceiling) == pytest.approx(middle, abs=0.03)


def test_what_is_left_is_the_ceiling_less_the_level() -> None:
    result = entropy_ceiling(run())
    summary = summarise_entropy_ceiling(result)
    assert summary["probability_pays"] > 0.99 and summary["rows"] == 120
    assert summary["ceiling"]["lower"] < CEILING < summary["ceiling"]["upper"]
    gap = summary["ceiling"]["median"] - summary["level"]
    assert summary["left"]["median"] == pytest.approx(gap, abs=0.01)
    assert summary["entropy"]["first"] > 0.7 > 0.3 > summary["entropy"]["last"]
    assert summary["statement"].startswith("If entropy goes on buying reward at the price so far, the reward ends at")
    xr.testing.assert_identical(result, entropy_ceiling(run()))


def test_a_stated_bound_cuts_the_ceiling() -> None:
    free, bounded = entropy_ceiling(run()), entropy_ceiling(run(reward_lower=-1, reward_upper=0.81))
    assert free["ceiling"].max() > 0.85 and bounded["ceiling"].max() <= 0.81
    early = run(price=1.0).isel(step=slice(60)).assign(reward_lower=("run", [-2.0]), reward_upper=("run", [0.6]))
    assert "leads above the largest possible reward, 0.6" in entropy_ceiling(early).attrs["notes"]


def test_bounds_are_asked_for_where_the_ceiling_may_be_above_1() -> None:
    """60 rows of a run that sells 0.7 nat for little: what all of it would buy is beyond 1 with some probability."""
    reward, entropy = traded(0, price=0.7)
    columns = {"optimizer_step": np.arange(60), "reward": reward[:60] + 0.32, "entropy": entropy[:60]}
    unstated, stated = (entropy_ceiling(make_run("log", columns, known)) for known in ({}, {"reward_upper": 1.2}))
    assert "state --reward-bounds 0 1" in unstated.attrs["notes"]
    assert "--reward-bounds" not in stated.attrs["notes"]


def test_entropy_that_rises_costs_reward() -> None:
    reward, entropy = traded(0)
    columns = {"optimizer_step": np.arange(120), "reward": reward[::-1], "entropy": entropy[::-1]}
    statement = summarise_entropy_ceiling(entropy_ceiling(make_run("log", columns)))["statement"]
    assert "its rise has cost reward" in statement


def test_a_run_beyond_its_trade_has_nothing_left_to_buy() -> None:
    """The bundled run goes on gaining after its entropy has gone."""
    summary = summarise_entropy_ceiling(entropy_ceiling(example_run()))
    assert summary["ceiling"]["median"] < summary["level"] and summary["probability_pays"] > 0.95
    assert summary["statement"].startswith("The run is at its entropy ceiling")


def test_entropy_that_buys_nothing_sets_no_ceiling() -> None:
    summary = summarise_entropy_ceiling(entropy_ceiling(run(price=-PRICE)))
    assert summary["probability_pays"] < 0.05 and summary["ceiling"] is None and summary["left"] is None
    assert summary["statement"].startswith("Cannot tell")


@pytest.mark.parametrize(
    ("entropy", "fault"),
    [
        (None, "--column entropy=NAME"),
        (np.full(120, 0.5), "expected values that vary, found 0.5"),
        (np.linspace(300, 100, 120), "nat per token, below 20, found 300"),
        (np.where(np.arange(120) < 9, np.arange(120.0), np.nan), "at least 10 rows with reward and entropy, found 9"),
    ],
)
def test_logs_that_give_no_answer(entropy: np.ndarray | None, fault: str) -> None:
    columns = {} if entropy is None else {"entropy": entropy}
    with pytest.raises(InputError, match=fault):
        entropy_ceiling(make_run("log", {"optimizer_step": np.arange(1, 121), "reward": traded(0)[0]} | columns))


def test_the_command_answers_first_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, run())
    assert main(["entropy-ceiling", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("If entropy goes on") and "note: the ceiling holds if" in err
    assert main(["entropy-ceiling", str(path), "--json", "--figure", str(tmp_path / "x.png")]) == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    summary = json.loads(capsys.readouterr().out)
    assert summary == summarise_entropy_ceiling(entropy_ceiling(run()))
    (tmp_path / "other.jsonl").write_text('{"step": 1, "reward": 0.1}\n' * 3, encoding="utf-8")
    assert main(["entropy-ceiling", str(path), str(tmp_path / "other.jsonl")]) == 2
