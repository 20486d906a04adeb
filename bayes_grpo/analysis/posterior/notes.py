"""The warnings about a fit: what the reader of its numbers should know. A new one is a function here."""

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import interval
from bayes_grpo.analysis.posterior.bounds import fit_beyond_bounds
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import notes
from bayes_grpo.inference.convergence import Diagnostics

#: A posterior median beyond this quantile of the prior, on either side, is a conflict.
_CONFLICT = 0.01

#: The rewards say little about a parameter whose posterior interval is wider than this share of the prior's.
_UNINFORMED = 0.8


def notes_on(fit: xr.DataTree, diagnostics: Diagnostics) -> list[Note]:
    """All that the reader of a fit should know: why it cannot be believed, what was assumed, what was not learned."""
    return [*diagnostics.failures(), *notes(fit), *little_learned(fit), *prior_conflicts(fit), *fit_beyond_bounds(fit)]


def little_learned(fit: xr.DataTree) -> list[Note]:
    """The parameters about which the rewards say little, as one note."""
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    vague = [
        name
        for name in ("plateau", "timescale", "damping", "midpoint", *_coefficients(posterior))
        if name in posterior and 0 < _UNINFORMED * _width(prior[name].values) < _width(posterior[name].values)
    ]
    if not vague:
        return []
    text = (
        f"the rewards say little about {', '.join(vague)}: the posterior is nearly as wide as the prior "
        "(run too short or too noisy); read the interval, not the median"
    )
    return [Note("little_learned", ", ".join(vague), text)]


def prior_conflicts(fit: xr.DataTree) -> list[Note]:
    """Parameters that the prior all but ruled out: their posterior median lies in an outer hundredth of the prior."""
    conflicts: list[Note] = []
    if "log_prior" not in fit.children:  # one run of several fitted together, or a light fit
        return conflicts
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    for name in fit["log_prior"].data_vars:
        drawn = posterior[name].values
        if drawn.ndim > 2:  # a value a run: what scatters about a population may lie far out
            continue
        below = float((prior[name].values < np.median(drawn)).mean())
        if min(below, 1 - below) < _CONFLICT:
            side = "below" if below < _CONFLICT else "above"
            text = (
                f"prior and rewards disagree on {name}: {np.median(drawn):.3g} lies {side} all but {_CONFLICT:.0%} of "
                "the prior; check what was stated or assumed (reward bounds, planned steps), or fit with a wider prior"
            )
            conflicts.append(Note("prior_conflict", str(name), text))
    return conflicts


def _coefficients(posterior: xr.Dataset) -> list[str]:
    """Coefficients of predictors, and what tells how noise falls with the group size."""
    return [
        str(name) for name in posterior.data_vars if "_by_" in str(name) or str(name).endswith(("_exponent", "_share"))
    ]


def _width(values: np.ndarray) -> float:
    limits = interval(values, axis=None)
    return float(limits.upper - limits.lower)
