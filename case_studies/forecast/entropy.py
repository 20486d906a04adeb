"""What the entropy says of the reward to come: a forecaster, and two checks of the entropy ceiling.

    python -m benchmarks.curves ../shared/data --out scores --keep-draws \
        --forecaster case_studies.forecast.entropy:entropy
    python -m case_studies.forecast.mixture scores --members "last mean,s_curve,wandering_level,entropy"
    python -m case_studies.forecast.entropy ../shared/data

The forecaster runs the law `s_curve` on exp(entropy) and turns it into rewards by the trade so far; it fails on runs
without entropy. The last command prints how often the 90 % interval of the ceiling holds the true one in simulations,
and how often real runs went above it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bayes_grpo.analysis.ceiling.summary import PAYS
from bayes_grpo.analysis.ceiling.trade import EXPONENT_SD, learn_trade, left
from benchmarks.curves.contract import Case, Forecast
from benchmarks.curves.laws import PATHS, law
from benchmarks.curves.series import Series, all_series

#: Rows with an entropy that the trade needs, and simulated runs.
LEAST_ROWS, REPLICATES = 10, 400
ORIGINS = (0.3, 0.5, 0.7)
#: True ceiling of simulated runs, and of the laboratory: there a right answer is rewarded with probability 0.8.
CEILING, LABORATORY = 0.8, 0.8


def entropy(case: Case) -> Forecast:
    """Paths of exp(entropy) by the law, turned into rewards by draws of the trade."""
    logged = np.isfinite(case.past["entropy"].values) if "entropy" in case.past else np.zeros(case.rewards.size, bool)
    if logged.sum() < LEAST_ROWS:
        raise ValueError("too little entropy is logged")
    past = case.past.isel(step=logged)
    reward, seen = past["reward"].values, past["entropy"].values
    stated = ["reward_lower", "reward_upper", "group_size", "prompts_per_step"]
    as_reward = past.assign(reward=("step", np.exp(seen))).drop_vars(stated, errors="ignore")
    paths = np.log(np.maximum(law("s_curve")(case._replace(past=as_reward)).expected, 1.0))
    trade = learn_trade(reward, seen, PATHS, np.random.default_rng(case.seed))
    ceiling, price, exponent = (draws[:, None] for draws in trade)
    rest = reward - np.median(ceiling - price * left(seen, exponent), axis=0)
    # What the last rows are off the trade goes on.
    last = max(5, round(0.1 * rest.size))
    return Forecast(ceiling - price * left(paths, exponent) + rest[-last:].mean(), float(rest.std()))


def with_entropy(data: Path | None) -> Iterator[tuple[Series, np.ndarray, np.ndarray]]:
    """Series, rewards and entropy of the rows that have both."""
    for series in all_series(data):
        run = series.run.isel(run=0)
        if "entropy" in run:
            logged = np.isfinite(run["entropy"].values)
            if logged.sum() >= 4 * LEAST_ROWS:
                yield series, run["reward"].values[logged], run["entropy"].values[logged]


def coverage(entropies: list[np.ndarray], share: float, rng: np.random.Generator) -> tuple[float, float]:
    """How often the interval holds the ceiling, and its median width over the gain, in runs cut at a share.

    The course of the entropy is a real run's, smoothed; logged entropy scatters about it as it does there. The exponent
    of the trade is drawn from its prior. The residual of the reward is an autoregression of any time constant, with
    white noise.
    """
    hits, widths = [], []
    for _ in range(REPLICATES):
        logged = entropies[rng.integers(len(entropies))]
        width = max(5, logged.size // 10)
        padded = np.pad(logged, (width // 2, width - 1 - width // 2), "edge")
        course = np.convolve(padded, np.full(width, 1 / width), "valid")[: round(share * logged.size)]
        unspent = left(course, float(np.clip(rng.normal(1, EXPONENT_SD), 0, 2)))
        price = rng.uniform(0.1, 0.5) / np.ptp(unspent)
        slow = rng.uniform(0, 0.06) * _autoregression(course.size, rng)
        reward = CEILING - price * unspent + slow + rng.uniform(0.02, 0.1) * rng.standard_normal(course.size)
        seen = course + np.std(np.diff(logged)) / np.sqrt(2) * rng.standard_normal(course.size)
        low, high = np.quantile(learn_trade(reward, seen, 1000, rng).ceiling, [0.05, 0.95])
        hits.append(low <= CEILING <= high)
        widths.append((high - low) / (price * np.ptp(unspent)))
    return float(np.mean(hits)), float(np.median(widths))


def _autoregression(rows: int, rng: np.random.Generator) -> np.ndarray:
    """A stationary first-order autoregression of unit variance, its time constant anywhere from 2 rows to all."""
    keep = np.exp(-1 / np.exp(rng.uniform(np.log(2), np.log(rows))))
    values = rng.standard_normal(rows)
    for row in range(1, rows):
        values[row] = keep * values[row - 1] + np.sqrt(1 - keep**2) * values[row]
    return values


def reached(reward: np.ndarray, entropy: np.ndarray, origin: float, rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether entropy has bought reward up to the origin, and whether the later reward goes above the ceiling's 95 %.

    It does if the best mean over a tenth of the rows is above by two standard errors.
    """
    rows = round(origin * reward.size)
    trade = learn_trade(reward[:rows], entropy[:rows], 1000, rng)
    width = max(5, rows // 10)
    later = reward[rows:]
    best = np.convolve(later, np.full(width, 1 / width), "valid").max() if later.size >= width else later.mean()
    error = np.std(np.diff(reward)) / np.sqrt(2 * width)
    return bool((trade.price > 0).mean() >= PAYS), bool(best - 2 * error > np.quantile(trade.ceiling, 0.95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    rng = np.random.default_rng(20)
    logged = list(with_entropy(options.data))
    for share in (0.3, 1.0):
        held, width = coverage([each[2] for each in logged], share, rng)
        print(f"simulated, {share:.0%} of a run: interval holds the ceiling in {held:.3f}; width / gain {width:.2f}")
    for public in (True, False):
        chosen = [each for each in logged if (each[0].repository != "laboratory") == public]
        for origin in ORIGINS:
            looks = np.array([reached(reward, entropy, origin, rng) for _, reward, entropy in chosen])
            above = looks[looks[:, 0] > 0, 1]
            print(
                f"{'public' if public else 'laboratory'}, {origin:.0%}: entropy pays in {above.size} of {len(chosen)}; "
                f"{above.sum()} went above the ceiling"
            )
    held, medians = [], []
    for _, reward, entropy in (each for each in logged if each[0].repository == "laboratory"):
        low, median, high = np.quantile(learn_trade(reward, entropy, 1000, rng).ceiling, [0.05, 0.5, 0.95])
        held.append(low <= LABORATORY <= high)
        medians.append(median)
    print(f"laboratory: median ceiling {np.median(medians):.3f}; interval holds {LABORATORY} in {np.mean(held):.2f}")


if __name__ == "__main__":
    main()
