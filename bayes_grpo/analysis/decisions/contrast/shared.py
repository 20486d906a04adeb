"""The seeds of a configuration fitted together, by one set of parameters.

Seeds of a configuration share its timescale and all else that the law has, and so the prior of that. A run that is too
short to show its plateau takes it from this prior, by way of the timescale: the errors of two such fits are alike, and
their mean is hardly better than one of them. (In simulation they correlate by 0.4 to 0.8 where the plateau is known to
less than a fifth of its prior's width.) So all rewards of the seeds are explained by one set of parameters as well. The
evidence says how probable that is against a set for each seed, as for long runs whose plateaus clearly differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.inference.attributes import log_evidence_of
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.importance.draws import draw_together
from bayes_grpo.inference.importance.target import target_of
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.inference.sampler_settings import Sampler

_OWN_KEY = 4_000_000
_CHAINS = 4


class Shared(NamedTuple):
    """Draws of the parameters that seeds share and of what follows from them, and how probable it is that they do."""

    draws: dict[str, np.ndarray]
    probability: float


def shared_parameters(fits: Sequence[xr.DataTree], count: int, seed: int = 0) -> Shared | None:
    """Fit the seeds of a configuration together; None where they are fitted by different laws, or it cannot be trusted.

    Parameters
    ----------
    fits : sequence of xarray.DataTree
        Each of one seed, at least two.
    count : int
        Draws.
    seed : int
        Of the draws.
    """
    opened = [reopen(fit) for fit in fits]
    spec = opened[0][0]
    if any(other != spec for other, _ in opened):
        return None
    data = [prepared.data for _, prepared in opened]
    target, sampler = target_of(spec), Sampler("importance", draws=-(-count // _CHAINS), chains=_CHAINS)
    together = draw_together(target, data, sampler, np.random.default_rng([seed, _OWN_KEY]))
    if together.quality.failures():
        return None
    odds = together.log_evidence
    for place, (fit, single) in enumerate(zip(fits, data, strict=True)):
        alone = log_evidence_of(fit)
        if alone is None:  # fitted by NUTS
            rng = np.random.default_rng([seed, _OWN_KEY, place])
            alone = draw_together(target, [single], sampler, rng).log_evidence
        odds -= alone
    values = {name: value.ravel()[:count] for name, value in together.values.items()}
    derived = evaluator(spec).derive(values, data[0])
    return Shared(values | dict(derived), float(1 / (1 + np.exp(np.clip(-odds, -500, 500)))))
