"""Prior families in the coordinates that importance sampling moves in: density, draws and the map to the parameter.

A parameter x has a coordinate u on the whole real line: x itself, log x for positive ones, and the logit of its place
between bounds. Families with heavy tails are drawn in on top of that: the point z that is sampled is
``arcsinh((u - loc) / scale)``, u itself near the centre and its logarithm far out. Otherwise a few hundred points lose
the far ends of ridges, along which a large gain goes with a slow rise, and those far out in one parameter weigh most.
Densities are those of `jax.scipy.stats`; tests hold them against NumPyro's distributions, which sample the same priors
by NUTS. Draws are NumPy's, and the maps take arrays of NumPy as well as of JAX: no program has to be compiled or loaded
for draws from a prior.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy import stats
from jax.scipy.special import gammaln

#: An array of JAX, or of NumPy.
AnyArray = Any
Arguments = Mapping[str, AnyArray]
#: Largest logarithm of a parameter: squares of its exponential are numbers.
_MOST = 300.0


class Coordinate(NamedTuple):
    """The map from z to x, its inverse, both for either kind of array, and log |dx / dz| at z, for JAX's alone."""

    value: Callable[[AnyArray, Arguments], AnyArray]
    inverse: Callable[[AnyArray, Arguments], AnyArray]
    log_slope: Callable[[Array, Arguments], Array]


def library_of(values: AnyArray) -> Any:
    """The library that an array is of."""
    return jnp if isinstance(values, Array) else np


def _sigmoid(z: AnyArray) -> AnyArray:
    return jax.nn.sigmoid(z) if isinstance(z, Array) else np.exp(-np.logaddexp(0.0, -z))


def _between(z: AnyArray, given: Arguments) -> AnyArray:
    return given["low"] + (given["high"] - given["low"]) * _sigmoid(z)


def _place_between(x: AnyArray, given: Arguments) -> AnyArray:
    library = library_of(x)
    return library.log(x - given["low"]) - library.log(given["high"] - x)


def _damping(z: AnyArray, _: Arguments) -> AnyArray:
    library = library_of(z)
    return library.minimum(z, 1.0) + library.expm1(library.maximum(z, 1.0) - 1)


def _damping_inverse(x: AnyArray, _: Arguments) -> AnyArray:
    library = library_of(x)
    return library.minimum(x, 1.0) + library.log(library.maximum(x, 1.0))


REAL = Coordinate(lambda z, _: z, lambda x, _: x, lambda z, _: jnp.zeros_like(z))
POSITIVE = Coordinate(
    lambda z, _: library_of(z).exp(library_of(z).clip(z, -_MOST, _MOST)),
    lambda x, _: library_of(x).log(x),
    lambda z, _: z,
)
UNIT = Coordinate(
    lambda z, _: _sigmoid(z),
    lambda x, _: library_of(x).log(x) - library_of(x).log1p(-x),
    lambda z, _: -jax.nn.softplus(z) - jax.nn.softplus(-z),
)
INTERVAL = Coordinate(
    _between,
    _place_between,
    lambda z, given: jnp.log(given["high"] - given["low"]) - jax.nn.softplus(z) - jax.nn.softplus(-z),
)
#: Damping c: c itself up to 1, and ``1 + log c`` above, where the rise depends on c / k.
DAMPING = Coordinate(_damping, _damping_inverse, lambda z, _: jnp.maximum(z, 1.0) - 1)
#: The inverse hyperbolic sine of the distance from the prior's centre, in scales.
HEAVY = Coordinate(
    lambda z, given: given["loc"] + given["scale"] * library_of(z).sinh(z),
    lambda u, given: library_of(u).arcsinh((u - given["loc"]) / given["scale"]),
    lambda z, given: jnp.log(given["scale"]) + jnp.logaddexp(z, -z) - jnp.log(2.0),
)


class Family(NamedTuple):
    """A prior family: its coordinate u of the parameter x, log density, draws, and the map from the point z to u.

    ``log_density`` and ``draw`` are of u where ``of_coordinate`` says so, as for families that are stated for log x or
    logit x; else of x.
    """

    coordinate: Coordinate
    log_density: Callable[[Array, Arguments], Array]
    draw: Callable[[np.random.Generator, Arguments, tuple[int, ...]], np.ndarray]
    of_coordinate: bool = False
    tails: Coordinate = REAL

    def value(self, point: AnyArray, given: Arguments) -> AnyArray:
        """The parameter at a point."""
        return self.coordinate.value(self.tails.value(point, given), given)

    def point(self, drawn: AnyArray, given: Arguments) -> AnyArray:
        """The point of something drawn."""
        return self.tails.inverse(self.place(drawn, given), given)

    def place(self, drawn: AnyArray, given: Arguments) -> AnyArray:
        """The coordinate u of something drawn."""
        return drawn if self.of_coordinate else self.coordinate.inverse(drawn, given)

    def density_of_point(self, point: Array, given: Arguments) -> Array:
        """Log density of the point."""
        return self.density_of_place(self.tails.value(point, given), given) + self.tails.log_slope(point, given)

    def density_of_place(self, place: Array, given: Arguments) -> Array:
        """Log density of the coordinate u."""
        if self.of_coordinate:
            return self.log_density(place, given)
        return self.log_density(self.coordinate.value(place, given), given) + self.coordinate.log_slope(place, given)

    def density_of_value(self, value: Array, given: Arguments) -> Array:
        """Log density of the parameter itself, not of its coordinate."""
        if not self.of_coordinate:
            return self.log_density(value, given)
        place = self.coordinate.inverse(value, given)
        return self.log_density(place, given) - self.coordinate.log_slope(place, given)


def _normal(x: Array, given: Arguments) -> Array:
    return stats.norm.logpdf(x, given["loc"], given["scale"])


def _draw_normal(rng: np.random.Generator, given: Arguments, shape: tuple[int, ...]) -> np.ndarray:
    drawn: np.ndarray = given["loc"] + given["scale"] * rng.standard_normal(shape)
    return drawn


def _student(x: Array, given: Arguments) -> Array:
    return stats.t.logpdf(x, given["df"], given["loc"], given["scale"])


def _draw_student(rng: np.random.Generator, given: Arguments, shape: tuple[int, ...]) -> np.ndarray:
    drawn: np.ndarray = given["loc"] + given["scale"] * rng.standard_t(given["df"], shape)
    return drawn


def _beta(x: Array, given: Arguments) -> Array:
    a, b = given["concentration1"], given["concentration0"]
    # The beta function of `jax.scipy.special` is exact to six digits only.
    log: Array = (a - 1) * jnp.log(x) + (b - 1) * jnp.log1p(-x) + gammaln(a + b) - gammaln(a) - gammaln(b)
    return log


FAMILIES: dict[str, Family] = {
    "Normal": Family(REAL, _normal, _draw_normal),
    "StudentT": Family(REAL, _student, _draw_student, of_coordinate=True, tails=HEAVY),
    "LogNormal": Family(POSITIVE, _normal, _draw_normal, of_coordinate=True),
    "LogStudentT": Family(POSITIVE, _student, _draw_student, of_coordinate=True, tails=HEAVY),
    "LogitNormal": Family(UNIT, _normal, _draw_normal, of_coordinate=True),
    "LogitStudentT": Family(UNIT, _student, _draw_student, of_coordinate=True, tails=HEAVY),
    "HalfNormal": Family(
        POSITIVE,
        lambda x, given: jnp.log(2.0) + stats.norm.logpdf(x, 0.0, given["scale"]),
        lambda rng, given, shape: given["scale"] * np.abs(rng.standard_normal(shape)),
    ),
    "HalfCauchy": Family(
        POSITIVE,
        lambda x, given: jnp.log(2.0) + stats.cauchy.logpdf(x, 0.0, given["scale"]),
        lambda rng, given, shape: given["scale"] * np.abs(rng.standard_cauchy(shape)),
    ),
    "Uniform": Family(
        INTERVAL,
        lambda x, given: -jnp.log(given["high"] - given["low"]) + jnp.zeros_like(x),
        lambda rng, given, shape: rng.uniform(given["low"], given["high"], shape),
    ),
    "Exponential": Family(
        POSITIVE,
        lambda x, given: jnp.log(given["rate"]) - given["rate"] * x,
        lambda rng, given, shape: rng.standard_exponential(shape) / given["rate"],
    ),
    "Gamma": Family(
        POSITIVE,
        lambda x, given: stats.gamma.logpdf(x, given["concentration"], scale=1 / given["rate"]),
        lambda rng, given, shape: rng.standard_gamma(given["concentration"], shape) / given["rate"],
    ),
    "InverseGamma": Family(
        POSITIVE,
        # Of 1/x, which is gamma distributed, times |d(1/x)/dx|.
        lambda x, given: stats.gamma.logpdf(1 / x, given["concentration"], scale=1 / given["rate"]) - 2 * jnp.log(x),
        lambda rng, given, shape: given["rate"] / rng.standard_gamma(given["concentration"], shape),
    ),
    "Beta": Family(
        UNIT,
        _beta,
        lambda rng, given, shape: rng.beta(given["concentration1"], given["concentration0"], shape),
    ),
}
