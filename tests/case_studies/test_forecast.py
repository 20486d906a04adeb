"""The forecast case study in small: the population is recovered, and intervals are scored as in the textbook."""

import numpy as np

from case_studies.forecast import bands, population


def test_the_population_is_recovered_from_interim_posteriors() -> None:
    """80 runs from a known population, each known up to a normal error: location and scale within 4.5 standard errors.

    Eight statistics; the scale of a Student t of 4 degrees has error about 1.1 / sqrt(2 n) here: a false alarm at 1
    seed in 10,000 at most.
    """
    rng = np.random.default_rng(0)
    location, scale = np.array([0.2, 1.6, -1.0, -3.0]), np.array([0.15, 1.0, 0.8, 0.6])
    rows, count = [], 80
    for i in range(count):
        truth = location + scale * rng.standard_t(4, 4)
        error = 0.3 * scale
        seen = truth + error * rng.standard_normal(4)
        pairs = np.array(list(population.INTERIM.values()))
        # The posterior under the interim prior, in closed form.
        precision = 1 / error**2 + 1 / pairs[:, 1] ** 2
        mean = (seen / error**2 + pairs[:, 0] / pairs[:, 1] ** 2) / precision
        draws = mean + rng.standard_normal((400, 4)) / np.sqrt(precision)
        rows.append({"repository": f"r{i % 4}", "draws": draws.tolist()})
    found = np.array(list(population.learn(rows).values()))
    spread = scale * np.sqrt(1 + 0.3**2)
    assert (np.abs(found[:, 0] - location) < 4.5 * 1.2 * spread / np.sqrt(count)).all()
    assert (np.abs(found[:, 1] / scale - 1) < 4.5 * 1.1 / np.sqrt(2 * count)).all()


def look(level: float = 0.0, gain: float = 1.0) -> bands.Look:
    draws = np.linspace(-1, 1, bands.DRAWS)[:, None] * np.ones(bands.BLOCKS)
    truth = np.array([0.0, 0.5, 2.0, -2.0, 0.9])
    return bands.Look("a", "r", "evaluation", 0.5, [draws, 3 * draws, draws], [], truth, truth, level, 0.1, gain)


def test_intervals_are_scored_as_in_the_textbook() -> None:
    """Uniform draws on -1 to 1: the interval is -0.9 to 0.9, and two of five truths are outside by 1.1."""
    assert abs(bands.interval_scores(look(), np.array([1.0, 0, 0])) - (1.8 + 20 * 2 * 1.1 / 5)) < 0.05
    assert abs(bands.interval_scores(look(), np.array([0, 1.0, 0])) - 5.4) < 0.05


def test_further_members_know_nothing_of_their_own_repository() -> None:
    """Changes are those of the looks that are given, by the gain, from the level."""
    rng = np.random.default_rng(0)
    expected = bands.changed(look(5.0, 2.0), [look()._replace(repository="s")], rng)
    np.testing.assert_allclose(expected, np.broadcast_to(5.0 + 2.0 * look().truth, expected.shape))
    broken = bands.broken(look(gain=0.5), [], rng) - look().draws[1]
    assert (np.abs(broken) <= 0.5).all() and (np.abs(broken[:, -1]) > 0).all()
    assert abs((broken[:, -1] > 0).mean() - 0.5) < 0.15
