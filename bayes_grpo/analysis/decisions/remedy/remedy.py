"""What each change would have to be, by the laws, at every posterior draw.

With the stiffness k, the damping c, the mass m and the noise intensity q of the oscillator:

- The overshoot is ``exp(-pi z / sqrt(1 - z^2))`` with ``z = c / (2 sqrt(m k))``. The learning rate scales k, so that z
  grows as its inverse root; the momentum sets ``m = (1 + beta1) / (2 (1 - beta1))``; lag takes ``lambda k (K - 1) / 2``
  off the damping, of which fresh rollouts (K = 1) give back all.
- The fluctuation is ``sqrt(q / (2 c k))``. The noise of an update scales with the learning rate, so q with its square
  and the fluctuation with its root; q falls as the inverse of the completions of an update, B G.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.notes import fit_notes, stored
from bayes_grpo.analysis.stability.dynamics import damping_of, damping_ratio, fitted_dynamics, overshoot_of
from bayes_grpo.analysis.stability.oscillation import VISIBLE_OVERSHOOT
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.attributes import quantities
from bayes_grpo.inference.draws import batch, evenly

#: Fluctuation that is asked for where none is stated, as a share of the reward's range.
FLUCTUATION_SHARE = 0.02
#: The changes by name: what is changed, and whether the factor is of a number or a momentum itself.
CHANGES = ("learning_rate", "momentum", "refresh_interval", "prompts_per_step", "group_size")


def remedy(
    fit: xr.DataTree,
    *,
    overshoot: float = VISIBLE_OVERSHOOT,
    fluctuation: float | None = None,
    run: str | None = None,
) -> xr.Dataset:
    """Work out which changes would bring overshoot and fluctuation below what is asked.

    Parameters
    ----------
    fit : xarray.DataTree
        Of a law with a plateau; ringing is told by laws with mass, such as oscillator.
    overshoot : float
        Overshoot that is asked for, as a share of the way to the plateau, in (0, 1).
    fluctuation : float, optional
        Standard deviation of the expected reward about its mean that is asked for; by default 2 % of the range.
    run : str, optional
        Of a fit of several runs, the one asked about.

    Returns
    -------
    xarray.Dataset
        Dim sample:

        - ``overshoot`` (share of the way; 0 where it does not ring, infinite where it runs away), ``fluctuation`` and
          ``scatter`` of a logged reward about the expected one (reward).
        - ``ring_learning_rate``: factor of the learning rate that brings the overshoot down; ``ring_momentum``: the
          momentum that does, 0 where none is enough; ``fresh_overshoot``: the overshoot at K = 1, if all lag counts.
        - ``noise_learning_rate``: factor of the learning rate that brings the fluctuation down; ``noise_batch``: factor
          of the completions of an update, by prompts or by group size. Factors are 1 where nothing is needed.

        Attributes: run, model, asked_overshoot, asked_fluctuation, refresh_interval, momentum, timescale, notes.

    Raises
    ------
    InputError
        If the fit has no stiffness, or what is asked for is impossible.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> float(bayes_grpo.remedy(fit)["overshoot"].max())
    0.0
    """
    check_asked(overshoot, fluctuation)
    draws, known = fitted_dynamics(fit, run)
    asked = FLUCTUATION_SHARE * known["reward_range"] if fluctuation is None else fluctuation
    interval = quantities(fit, run).get("refresh_interval", 1.0)
    noise = _noise(fit, run, draws.sizes["sample"])
    data = {
        "fluctuation": (noise["fluctuation"], "reward"),
        "scatter": (noise["scatter"], "reward"),
        **_ringing(draws, known["momentum"], interval, overshoot),
        "noise_learning_rate": (np.minimum((asked / noise["fluctuation"]) ** 2, 1.0), "1"),
        "noise_batch": (np.maximum((noise["fluctuation"] / asked) ** 2, 1.0), "1"),
    }
    attrs: dict[str, Any] = {
        "run": run or fit.attrs["run"],
        "model": fit.attrs["model"],
        "asked_overshoot": overshoot,
        "asked_fluctuation": asked,
        "refresh_interval": interval,
        "momentum": known["momentum"],
        "timescale": float(np.median(1 / draws["stiffness"].values)),
    }
    notes = [*fit_notes(fit, ("momentum", "group_size")), *_notes(draws["mass"].values, attrs["model"])]
    out = xr.Dataset({name: ("sample", value, {"units": unit}) for name, (value, unit) in data.items()})
    return out.assign_attrs(**attrs, **stored(notes))


def check_asked(overshoot: float = VISIBLE_OVERSHOOT, fluctuation: float | None = None) -> None:
    """Refuse what no change could bring."""
    faults = []
    if not 0 < overshoot < 1:
        faults.append(f"overshoot: expected a share of the way between 0 and 1, found {overshoot:g}")
    if fluctuation is not None and not fluctuation > 0:
        faults.append(f"fluctuation: expected a number above 0, found {fluctuation:g}")
    if faults:
        raise InputError("remedy", faults)


def _ringing(
    draws: xr.Dataset, momentum: float, interval: float, overshoot: float
) -> dict[str, tuple[np.ndarray, str]]:
    """The overshoot, and the changes that bring it down to what is asked; each with its unit."""
    stiffness, mass = draws["stiffness"].values, draws["mass"].values
    damping = damping_of(draws)
    wanted, ratio = damping_ratio_of(overshoot), damping_ratio(draws)
    fresh = damping_ratio(draws, damping + stiffness * (interval - 1) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The mass that the wanted damping ratio leaves, and the momentum that has it; never more than there is.
        allowed = np.minimum((np.maximum(damping, 0.0) / (2 * wanted)) ** 2 / stiffness, mass)
    return {
        "overshoot": (overshoot_of(ratio), "1"),
        "ring_learning_rate": (np.minimum(np.where(ratio > 0, ratio / wanted, 0.0) ** 2, 1.0), "1"),
        "ring_momentum": (np.clip((2 * allowed - 1) / (2 * allowed + 1), 0.0, momentum), "1"),
        "fresh_overshoot": (overshoot_of(fresh), "1"),
    }


def damping_ratio_of(overshoot: float) -> float:
    """Damping ratio of an oscillator with this overshoot."""
    log = -np.log(overshoot)
    return float(log / np.sqrt(np.pi**2 + log**2))


def _noise(fit: xr.DataTree, run: str | None, count: int) -> dict[str, np.ndarray]:
    """Fluctuation and scatter at as many draws as the dynamics has; the former nearly 0 for laws without it."""
    posterior = fit["posterior"].to_dataset()
    posterior = posterior.sel(run=run) if "run" in posterior.dims else posterior
    drawn = batch(posterior, [name for name in ("fluctuation", "observation_sd") if name in posterior])
    places = evenly(drawn["observation_sd"].size, count)
    fluctuation = drawn.get("fluctuation", np.full(drawn["observation_sd"].size, 1e-12))
    return {"fluctuation": np.maximum(fluctuation[places], 1e-12), "scatter": drawn["observation_sd"][places]}


def _notes(mass: np.ndarray, model: str) -> list[Note]:
    notes = []
    if (mass <= 0).all():
        notes.append(Note("limit", "mass", f"{model} has no mass and cannot ring; fit oscillator to ask about ringing"))
    text = (
        "the factors are those of the linear law near its plateau; a larger group also moves the plateau and "
        "gives more "
        "groups a signal, and momentum hardly matters under Adam in our laboratory"
    )
    notes.append(Note("limit", "law", text))
    return notes
