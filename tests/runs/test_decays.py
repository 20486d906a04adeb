"""Schedules recognised from the rows since their last break: each goes on as it truly does."""

from collections.abc import Callable

import numpy as np
import pytest

from bayes_grpo.runs.schedules import schedule_ahead
from tests.runs.test_schedules import logged

PEAK = 5e-6
Rate = Callable[[np.ndarray], np.ndarray]


def linear(warmup: float, end: float) -> Rate:
    return lambda s: PEAK * np.where(s < warmup, s / max(warmup, 1), np.clip((end - s) / (end - warmup), 0, 1))


def cosine(warmup: float, end: float, floor: float = 0.0) -> Rate:
    def rate(s: np.ndarray) -> np.ndarray:
        share = np.clip((s - warmup) / (end - warmup), 0, 1)
        return PEAK * np.where(s < warmup, s / max(warmup, 1), floor + (1 - floor) * (1 + np.cos(np.pi * share)) / 2)

    return rate


def stable(warmup: float, begin: float, end: float, shape: str) -> Rate:
    """Warm-up, a plateau, and a decay at the end."""

    def rate(s: np.ndarray) -> np.ndarray:
        x = np.clip((s - begin) / (end - begin), 0, 1)
        left = {"linear": 1 - x, "1-sqrt": 1 - np.sqrt(x), "cosine": (1 + np.cos(np.pi * x)) / 2}[shape]
        return PEAK * np.where(s < warmup, s / max(warmup, 1), left)

    return rate


def pieces(*parts: tuple[float, Rate]) -> Rate:
    """Another rate from each step on: a run that was resumed with other settings."""
    return lambda s: np.select([s >= begin for begin, _ in reversed(parts)], [rate(s) for _, rate in reversed(parts)])


def times(factor: float, rate: Rate) -> Rate:
    return lambda s: factor * rate(s)


KINDS: dict[str, tuple[Rate, int, int, int, str]] = {
    # the truth, the spacing of rows, the last logged step, the planned length, and what is said of it
    "cosine, first rows not logged": (cosine(0, 936), 20, 400, 936, "cosine decay to step 936"),
    "linear, first rows not logged": (linear(0, 500), 25, 300, 500, "linear decay to step 500"),
    "cosine after a warm-up between two rows": (cosine(28, 936), 20, 500, 936, "cosine decay to step 936"),
    "linear after a warm-up between two rows": (linear(13, 400), 10, 200, 400, "linear decay to step 400"),
    "cosine from its middle": (cosine(0, 1000), 5, 900, 1000, "cosine decay to step 1000"),
    "cosine to a floor": (cosine(10, 600, 0.1), 10, 400, 600, "cosine decay to step 600 and 5e-07"),
    "resumed with a later end": (
        pieces((0, linear(50, 500)), (101, linear(0, 350))),
        1,
        200,
        350,
        "linear decay to step 350 since step 101",
    ),
    "resumed with a lower rate": (
        pieces((0, cosine(0, 300)), (150, times(0.3, cosine(0, 800)))),
        5,
        500,
        800,
        "cosine decay to step 800 since step 150",
    ),
    "resumed with a warm-up": (
        pieces((0, linear(0, 300)), (100, lambda s: linear(20, 400)(s - 100))),
        2,
        300,
        500,
        "linear decay to step 500",
    ),
    "a jump to a constant": (
        pieces((0, linear(0, 300)), (120, lambda s: np.full(s.shape, 1e-6))),
        3,
        240,
        600,
        "constant since step 120",
    ),
    "a rate that falls in steps": (
        pieces((0, times(1.0, lambda s: np.full(s.shape, PEAK))), (100, lambda s: np.full(s.shape, PEAK / 10))),
        5,
        200,
        600,
        "constant since step 100",
    ),
    "stable, then linear": (stable(20, 300, 500, "linear"), 10, 400, 500, "linear decay to step 500"),
    "stable, then 1-sqrt": (stable(20, 300, 500, "1-sqrt"), 10, 400, 500, "1-sqrt decay to step 500"),
    "stable, then cosine": (stable(0, 305, 505, "cosine"), 10, 430, 505, "cosine decay to step 505"),
    "stable so far": (stable(20, 800, 1000, "linear"), 10, 500, 1000, "constant since step 20"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_goes_on_as_it_truly_does(kind: str) -> None:
    truth, spacing, last, planned, said = KINDS[kind]
    steps = np.arange(float(spacing), last + 1, spacing)
    ahead = np.arange(last + 1.0, planned + 1)
    found = schedule_ahead(logged(truth(steps), steps), ahead, "planned", planned_steps=planned)
    assert (
        not found.assumed
        and found.words.startswith(said.partition(" since")[0])
        and ("since" in found.words) == ("since" in said)
    )
    if kind == "stable so far":
        ahead = ahead[ahead <= 800]
        found = found._replace(rate=found.rate[: ahead.size])
    np.testing.assert_allclose(found.rate, truth(ahead), atol=2e-3 * PEAK)


@pytest.mark.parametrize(
    "kind",
    ["cosine, first rows not logged", "resumed with a later end", "cosine from its middle", "stable, then linear"],
)
@pytest.mark.parametrize("digits", [4, 12])
def test_the_end_is_told_by_the_rows_too(kind: str, digits: int) -> None:
    """Without a planned length, and with rates as rounded as consoles print them."""
    truth, spacing, last, planned, _ = KINDS[kind]
    steps = np.arange(float(spacing), last + 1, spacing)
    rates = np.array([float(f"{rate:.{digits}g}") for rate in truth(steps)])
    ahead = np.arange(last + 1.0, planned + 1)
    found = schedule_ahead(logged(rates, steps), ahead, "planned")
    assert not found.assumed
    np.testing.assert_allclose(found.rate, truth(ahead), atol=0.02 * PEAK)


def test_a_planned_length_that_the_rows_deny_is_not_taken() -> None:
    """The run ends at 250 of a decay to 500: the rows win."""
    steps = np.arange(1.0, 201)
    found = schedule_ahead(logged(linear(0, 500)(steps), steps), np.arange(201.0, 251), "planned", planned_steps=250)
    np.testing.assert_allclose(found.rate, linear(0, 500)(np.arange(201.0, 251)), atol=1e-9)
    assert "linear decay to step 500" in found.words


@pytest.mark.parametrize(
    "rate",
    [lambda s: PEAK / np.sqrt(s), lambda s: PEAK * np.exp(-s / 60), lambda s: PEAK * (1.2 + np.sin(s / 5)) / 2.2],
)
def test_other_curves_are_named_unknown(rate: Rate) -> None:
    steps = np.arange(1.0, 121)
    found = schedule_ahead(logged(rate(steps), steps), np.arange(121.0, 200), "planned", planned_steps=400)
    assert "follows neither" in found.assumed or "rising" in found.assumed
