"""Words of a comparison: never more than the difference and its error allow."""

import numpy as np
import pytest

from bayes_grpo.analysis.comparison.statement import statement
from bayes_grpo.analysis.differences import Scores, difference


def scores(total: float, sd: float, n: int = 200, seed: int = 0, unreliable: int = 0) -> Scores:
    """Scores behind zero by exactly ``total`` in sum, with pointwise standard deviation exactly ``sd``."""
    values = np.random.default_rng(seed).normal(size=n)
    values = (values - values.mean()) / values.std() * sd - total / n
    return Scores(values, np.arange(n) >= unreliable)


def against_zero(other: Scores, runs: np.ndarray | None = None):
    n = other.elpd.size
    best = Scores(np.zeros(n), np.ones(n, bool))
    return difference(best, other, np.full(n, "a") if runs is None else runs)


@pytest.mark.parametrize(
    ("total", "error", "n", "clear"),
    [
        (10.0, 2.0, 200, True),
        (3.9, 0.1, 200, False),  # below 4 nats, however sure
        (4.1, 0.1, 200, True),
        (10.0, 5.1, 200, False),  # within two standard errors
        (10.0, 4.9, 200, True),
        (500.0, 1.0, 99, False),  # too few rewards
        (500.0, 1.0, 100, True),
    ],
)
def test_what_counts_as_a_difference(total: float, error: float, n: int, clear: bool) -> None:
    gap = against_zero(scores(total, error / np.sqrt(n), n))
    assert gap.nats == pytest.approx(total)
    assert gap.error == pytest.approx(error)
    assert gap.clear is clear


def test_a_difference_that_hangs_on_unreliable_values_is_none() -> None:
    values = np.zeros(200)
    values[:3] = -10.0
    assert against_zero(Scores(values - 0.025, np.ones(200, bool))).nats == pytest.approx(35)
    assert not against_zero(Scores(values - 0.01, np.arange(200) >= 3)).clear
    steady = scores(20.0, 0.1, unreliable=3)
    assert against_zero(steady).clear


def test_error_between_runs_counts_where_it_is_larger() -> None:
    runs = np.repeat(["a", "b", "c", "d", "e"], 40)
    # 40 nats in one run alone: large over the rewards, nothing sure over runs.
    values = np.where(runs == "a", -1.0, 0.0)
    within = against_zero(Scores(values, np.ones(200, bool)))
    between = against_zero(Scores(values, np.ones(200, bool)), runs)
    assert within.clear and within.nats == between.nats == pytest.approx(40)
    assert between.error == pytest.approx(np.sqrt(5) * np.std([40, 0, 0, 0, 0], ddof=1))
    assert not between.clear


def words(doubtful=None, n: int = 200, **others: Scores) -> str:
    table = {"first": Scores(np.zeros(n), np.ones(n, bool)), **others}
    return statement(table, np.full(n, "run"), "loo", doubtful or {})


def test_a_winner_is_named_only_if_all_others_are_behind() -> None:
    text = words(second=scores(20, 0.1), third=scores(30, 0.1, seed=1))
    assert text == (
        "Predicting each reward from all others of its run (200 rewards): first does best, ahead of second "
        "(20.0 nats, standard error 1.4) and third (30.0 nats, standard error 1.4)."
    )
    text = words(second=scores(2, 0.1), third=scores(30, 0.1, seed=1))
    assert "does best" not in text
    assert "cannot be told apart from second (2.0 nats" in text and "does better than third (30.0 nats" in text


def test_ties_and_few_rewards_name_no_winner() -> None:
    for text in (words(second=scores(2, 0.1)), words(n=50, second=scores(500, 0.1, n=50))):
        assert "cannot be told apart" in text
        assert "does best" not in text and "does better" not in text
    assert "fewer than 100" in words(n=50, second=scores(500, 0.1, n=50))


def test_nothing_is_said_about_a_fit_that_did_not_converge() -> None:
    text = words({"first": "no fit of it converged"}, second=scores(20, 0.1), third=scores(50, 0.1, seed=1))
    assert "second does best, ahead of third (30.0 nats" in text
    assert text.endswith("Nothing is said about first: no fit of it converged.")
    assert "nothing can be said" in words({"first": "no fit of it converged"}, second=scores(20, 0.1))


def test_the_order_of_models_does_not_matter() -> None:
    second, third = scores(2, 0.1), scores(30, 0.1, seed=1)
    assert words(second=second, third=third) == words(third=third, second=second)
