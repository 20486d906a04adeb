"""The coordinate in which NUTS moves the damping: it must leave the prior as it is."""

import jax
import jax.numpy as jnp
import numpy as np

from bayes_grpo.inference.backends.numpyro import DampingCoordinate

# Unstable, about zero, ordinary, above one; not at 0 and 1, where the pieces meet.
DAMPING = jnp.array([-3.0, -0.2, -1e-3, 1e-3, 0.4, 0.999, 1.001, 2.5, 40.0])


def test_the_damping_coordinate_has_its_inverse_and_its_jacobian() -> None:
    coordinate = DampingCoordinate(0.3)
    moved = coordinate(DAMPING)
    np.testing.assert_allclose(coordinate.inv(moved), DAMPING, rtol=1e-12)
    assert (np.diff(moved) > 0).all()
    slope = jax.vmap(jax.grad(coordinate))(DAMPING)
    np.testing.assert_allclose(coordinate.log_abs_det_jacobian(DAMPING, moved), np.log(slope), rtol=1e-12, atol=1e-15)
