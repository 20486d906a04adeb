"""Coordinates of two noises of which a run may tell no more than their sum.

A fluctuation that is forgotten within a row looks like observation noise. So the posterior of (log observation_sd, log
fluctuation) is shaped like an L: one arm has the observation noise of the rewards' scatter and any smaller fluctuation,
the other the reverse, and a mixture that has found one arm need not see the other. In the logarithm of their ratio and
of the scatter from row to row both arms lie on one line. The map has the Jacobian determinant one.
"""

from collections.abc import Mapping
from typing import NamedTuple

from bayes_grpo.inference.importance.families import AnyArray, library_of

_OBSERVATION = "observation_sd"
#: Parameters that say how large the other noise is: by itself, or in units of the observation noise.
_SIZES, _RATIO = ("fluctuation", "step_sd"), "noise_ratio"
#: Least share of a fluctuation that counts as new: of runs without a duration, and at rates without end.
_LEAST = 1e-200
#: Families with the logarithm as their coordinate.
LOGARITHMIC = ("LogNormal", "LogStudentT", "HalfNormal", "HalfCauchy", "Gamma", "Exponential", "InverseGamma")


class Noises(NamedTuple):
    """Places of the parameters of the two noises among the coordinates; ``ratio``: whether the other is a ratio."""

    observation: int
    other: int
    ratio: bool

    def split(self, point: AnyArray, forgotten: AnyArray) -> AnyArray:
        """Logarithms of the parameters at a point, shape (dimension,) or (..., dimension).

        Parameters
        ----------
        point : array
            The logarithms of the ratio and of the scatter stand where the noises are.
        forgotten : array
            Share of the fluctuation's variance that is new in each row, shape (...).
        """
        ratio = point[..., self.other]
        observation = point[..., self.observation] - _excess(ratio, forgotten)
        return self._put(point, observation, ratio if self.ratio else ratio + observation)

    def join(self, logarithms: AnyArray, forgotten: AnyArray) -> AnyArray:
        """The point of the logarithms of the parameters: the inverse of `split`."""
        observation, other = logarithms[..., self.observation], logarithms[..., self.other]
        ratio = other if self.ratio else other - observation
        return self._put(logarithms, observation + _excess(ratio, forgotten), ratio)

    def _put(self, point: AnyArray, observation: AnyArray, other: AnyArray) -> AnyArray:
        columns = [point[..., place] for place in range(point.shape[-1])]
        columns[self.observation], columns[self.other] = observation, other
        return library_of(point).stack(columns, axis=-1)


def _excess(log_ratio: AnyArray, forgotten: AnyArray) -> AnyArray:
    """Logarithm of the scatter from row to row over the observation noise."""
    library = library_of(log_ratio)
    return library.logaddexp(0.0, 2 * log_ratio + library.log(forgotten)) / 2


def noises_of(families: Mapping[str, str]) -> Noises | None:
    """The two noises of a model whose parameters have priors of such families, or None where it has not both."""
    names = list(families)
    others = [name for name in (*_SIZES, _RATIO) if families.get(name) in LOGARITHMIC]
    if families.get(_OBSERVATION) not in LOGARITHMIC or len(others) != 1:
        return None
    return Noises(names.index(_OBSERVATION), names.index(others[0]), others[0] == _RATIO)


def forgotten_share(values: Mapping[str, AnyArray], gap: AnyArray) -> AnyArray:
    """Share of the fluctuation's variance that is new in each row of ``gap`` steps; no more than a scale for `Noises`.

    Parameters
    ----------
    values : mapping of str to array
        Parameters; those of the noises are not used.
    gap : array
        Optimizer steps from a row to the next.
    """
    if "correlation_time" in values:
        rate = 1 / values["correlation_time"]
    elif "stiffness" in values:
        rate = values["stiffness"]
    else:
        return 0.5
    library = library_of(rate)
    return library.maximum(-library.expm1(-gap * rate), _LEAST)
