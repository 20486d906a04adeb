"""Rows that are means over windows, of laws that are a curve in time: against the mean of the curve at the points."""

import jax.numpy as jnp
import numpy as np
import pytest

from bayes_grpo import load_model, make_run
from bayes_grpo.inference.layout import prepare

FACTS = {"reward_lower": 0, "reward_upper": 1, "planned_steps": 400}
S_CURVE = load_model("s_curve")


def averaged(window: int, stiffness: float) -> tuple[np.ndarray, np.ndarray]:
    """What twenty rows log, and the mean of the curve at the points of their windows."""
    steps = window * np.arange(1.0, 21)
    columns = {"optimizer_step": steps, "reward": np.linspace(0.2, 0.7, 20)}
    data = prepare(make_run("a", columns, FACTS | {"logging_window": window}), S_CURVE).data.run
    law = S_CURVE.law
    given = {"plateau": 0.8, "initial_reward": 0.1, "stiffness": stiffness, "difficulty_spread": 1.5}
    parameters = {name: jnp.asarray(value) for name, value in (given | {"initial_drive": 0.02}).items()}
    logged = law.logged_origin(parameters, data, law.rows(data))[:20]
    points = np.arange(1.0, 20 * window + 1)
    curve = np.asarray(law.curve(parameters, data, jnp.asarray(points - 1)))
    return np.asarray(logged), curve.reshape(20, window).mean(1)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_windows_of_up_to_three_points_are_exact(window: int) -> None:
    logged, expected = averaged(window, stiffness=0.8)
    np.testing.assert_allclose(logged, expected, atol=1e-12)


@pytest.mark.parametrize(("window", "stiffness", "tolerance"), [(10, 0.05, 1e-6), (10, 0.2, 1e-3), (50, 0.02, 1e-4)])
def test_longer_windows_are_off_by_little(window: int, stiffness: float, tolerance: float) -> None:
    logged, expected = averaged(window, stiffness)
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(logged, expected, atol=tolerance)
