"""Prior families in the coordinates that importance sampling moves in: density, draws and the map to the parameter.

A parameter x has a coordinate z on the whole real line: x itself, log x for positive ones, and the logit of its place
between bounds. Densities are `jax.scipy.stats`'; tests hold them against NumPyro's distributions, which sample the same
priors by NUTS.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, random
from jax.scipy import stats
from jax.scipy.special import gammaln

Arguments = Mapping[str, Array]


class Coordinate(NamedTuple):
    """The map from z to x, its inverse, and log |dx / dz| at z."""

    value: Callable[[Array, Arguments], Array]
    inverse: Callable[[Array, Arguments], Array]
    log_slope: Callable[[Array, Arguments], Array]


def _between(z: Array, given: Arguments) -> Array:
    return given["low"] + (given["high"] - given["low"]) * jax.nn.sigmoid(z)


REAL = Coordinate(lambda z, _: z, lambda x, _: x, lambda z, _: jnp.zeros_like(z))
POSITIVE = Coordinate(lambda z, _: jnp.exp(z), lambda x, _: jnp.log(x), lambda z, _: z)
UNIT = Coordinate(
    lambda z, _: jax.nn.sigmoid(z),
    lambda x, _: jnp.log(x) - jnp.log1p(-x),
    lambda z, _: -jax.nn.softplus(z) - jax.nn.softplus(-z),
)
INTERVAL = Coordinate(
    _between,
    lambda x, given: jnp.log(x - given["low"]) - jnp.log(given["high"] - x),
    lambda z, given: jnp.log(given["high"] - given["low"]) - jax.nn.softplus(z) - jax.nn.softplus(-z),
)
#: Damping c: c itself up to 1, and ``1 + log c`` above, where the rise depends on c / k.
DAMPING = Coordinate(
    lambda z, _: jnp.minimum(z, 1.0) + jnp.expm1(jnp.maximum(z, 1.0) - 1),
    lambda x, _: jnp.minimum(x, 1.0) + jnp.log(jnp.maximum(x, 1.0)),
    lambda z, _: jnp.maximum(z, 1.0) - 1,
)


class Family(NamedTuple):
    """Coordinate of a prior family, log density at x, and draws of x.

    Of families stated for log x or logit x, of that.
    """

    coordinate: Coordinate
    log_density: Callable[[Array, Arguments], Array]
    draw: Callable[[Array, Arguments, tuple[int, ...]], Array]
    of_coordinate: bool = False

    def density_of_value(self, x: Array, given: Arguments) -> Array:
        """Log density of the parameter itself, not of its coordinate."""
        if not self.of_coordinate:
            return self.log_density(x, given)
        z = self.coordinate.inverse(x, given)
        return self.log_density(z, given) - self.coordinate.log_slope(z, given)


def _normal(x: Array, given: Arguments) -> Array:
    return stats.norm.logpdf(x, given["loc"], given["scale"])


def _draw_normal(key: Array, given: Arguments, shape: tuple[int, ...]) -> Array:
    return given["loc"] + given["scale"] * random.normal(key, shape)


def _student(x: Array, given: Arguments) -> Array:
    return stats.t.logpdf(x, given["df"], given["loc"], given["scale"])


def _draw_student(key: Array, given: Arguments, shape: tuple[int, ...]) -> Array:
    return given["loc"] + given["scale"] * random.t(key, given["df"], shape)


def _beta(x: Array, given: Arguments) -> Array:
    a, b = given["concentration1"], given["concentration0"]
    # The beta function of `jax.scipy.special` is exact to six digits only.
    return (a - 1) * jnp.log(x) + (b - 1) * jnp.log1p(-x) + gammaln(a + b) - gammaln(a) - gammaln(b)


FAMILIES: dict[str, Family] = {
    "Normal": Family(REAL, _normal, _draw_normal),
    "StudentT": Family(REAL, _student, _draw_student),
    "LogNormal": Family(POSITIVE, _normal, _draw_normal, of_coordinate=True),
    "LogStudentT": Family(POSITIVE, _student, _draw_student, of_coordinate=True),
    "LogitNormal": Family(UNIT, _normal, _draw_normal, of_coordinate=True),
    "LogitStudentT": Family(UNIT, _student, _draw_student, of_coordinate=True),
    "HalfNormal": Family(
        POSITIVE,
        lambda x, given: jnp.log(2.0) + stats.norm.logpdf(x, 0.0, given["scale"]),
        lambda key, given, shape: given["scale"] * jnp.abs(random.normal(key, shape)),
    ),
    "HalfCauchy": Family(
        POSITIVE,
        lambda x, given: jnp.log(2.0) + stats.cauchy.logpdf(x, 0.0, given["scale"]),
        lambda key, given, shape: given["scale"] * jnp.abs(random.cauchy(key, shape)),
    ),
    "Uniform": Family(
        INTERVAL,
        lambda x, given: -jnp.log(given["high"] - given["low"]) + jnp.zeros_like(x),
        lambda key, given, shape: random.uniform(key, shape, minval=given["low"], maxval=given["high"]),
    ),
    "Exponential": Family(
        POSITIVE,
        lambda x, given: jnp.log(given["rate"]) - given["rate"] * x,
        lambda key, given, shape: random.exponential(key, shape) / given["rate"],
    ),
    "Gamma": Family(
        POSITIVE,
        lambda x, given: stats.gamma.logpdf(x, given["concentration"], scale=1 / given["rate"]),
        lambda key, given, shape: random.gamma(key, given["concentration"], shape) / given["rate"],
    ),
    "InverseGamma": Family(
        POSITIVE,
        # Of 1/x, which is gamma distributed, times |d(1/x)/dx|.
        lambda x, given: stats.gamma.logpdf(1 / x, given["concentration"], scale=1 / given["rate"]) - 2 * jnp.log(x),
        lambda key, given, shape: given["rate"] / random.gamma(key, given["concentration"], shape),
    ),
    "Beta": Family(
        UNIT,
        _beta,
        lambda key, given, shape: random.beta(key, given["concentration1"], given["concentration0"], shape),
    ),
}
