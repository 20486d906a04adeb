"""Plateaus beyond the reward's stated bounds: laws that are straight in the reward know no bounds, and do not clip."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB, interval
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import hyperparameters, pooled, run_labels

#: A law whose expected reward never leaves the bounds.
_BOUNDED = "bounded_overdamped"


def beyond_bounds(plateau: np.ndarray, known: Mapping[str, float], model: str) -> list[Note]:
    """What to say of a plateau whose interval reaches beyond a bound that was stated.

    Parameters
    ----------
    plateau : numpy.ndarray
        Draws, of any shape; NaN where a law has no plateau.
    known : mapping
        Hyperparameters that were read or stated; ``reward_lower`` and ``reward_upper`` are looked for.
    model : str
        What the plateau is of.

    Returns
    -------
    list of Note
        One a bound, or none.
    """
    notes = []
    for where, end, beyond in passed_bounds(plateau, known):
        name = "largest" if where == "above" else "smallest"
        text = (
            f"the plateau's {INTERVAL_PROB:.0%} interval reaches {where} the {name} possible reward, {end:g}, and with "
            f"probability {beyond:.2g} the plateau lies there: {model} does not know the bounds, and nothing was "
            f"clipped; read it as a reward that comes near {end:g}, or use --model {_BOUNDED}, which keeps inside"
        )
        notes.append(Note("limit", "plateau", text))
    return notes


def passed_bounds(plateau: np.ndarray, known: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Each stated bound that the plateau's interval passes: above or below, the bound, and the probability beyond it.

    Arguments are as of `beyond_bounds`.
    """
    drawn = plateau[~np.isnan(plateau)]
    if not drawn.size:
        return []
    limits, passed = interval(drawn, axis=None), []
    upper, lower = known.get("reward_upper", np.inf), known.get("reward_lower", -np.inf)
    if limits.upper > upper:
        passed.append(("above", upper, float((drawn > upper).mean())))
    if limits.lower < lower:
        passed.append(("below", lower, float((drawn < lower).mean())))
    return passed


def fit_beyond_bounds(fit: xr.DataTree) -> list[Note]:
    """As `beyond_bounds`, of a fit; of runs fitted together each note names its run."""
    posterior = fit["posterior"].to_dataset()
    if "plateau" not in posterior:
        return []
    model, plateau = str(fit.attrs["model"]), posterior["plateau"]
    if not pooled(fit):
        return beyond_bounds(plateau.values, hyperparameters(fit), model)
    found = []
    for label in run_labels(fit):
        drawn = plateau.sel(run=label).values if "run" in plateau.dims else plateau.values
        notes = beyond_bounds(drawn, hyperparameters(fit, label), model)
        found += [note._replace(text=f"{label}: {note.text}") for note in notes]
    return found
