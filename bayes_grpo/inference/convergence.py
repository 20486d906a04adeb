"""Whether a fit may be believed: R-hat, effective sample sizes, divergences and E-BFMI, and their limits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import quality_of
from bayes_grpo.inference.importance.quality import Quality

#: Limits: Vehtari et al. 2021 (R-hat, ESS of 100 a chain for four chains), Betancourt 2016 (E-BFMI).
MAX_RHAT = 1.01
MIN_ESS = 400.0
MIN_BFMI = 0.3


@dataclass(frozen=True)
class Diagnostics:
    """Worst values over all parameters and chains; NaN where there are too few draws for one, or the method has none.

    ``quality`` are the diagnostics of importance sampling; where NUTS followed it, they say why.
    """

    max_rhat: float
    min_ess_bulk: float
    min_ess_tail: float
    divergences: int
    min_bfmi: float
    seconds: float
    method: str = "nuts"
    quality: Quality | None = None

    def failures(self) -> list[Note]:
        """What is wrong with the fit, a note a fault; empty if it may be believed."""
        if self.method == "importance" and self.quality is not None:
            return self.quality.failures()
        faults: dict[str, str] = {}
        if not self.max_rhat <= MAX_RHAT:
            faults["max_rhat"] = (
                f"R-hat {self.max_rhat:.3f}, expected at most {MAX_RHAT}: the chains disagree; raise --tune"
            )
        for kind, value in (("bulk", self.min_ess_bulk), ("tail", self.min_ess_tail)):
            if not value >= MIN_ESS:
                faults[f"min_ess_{kind}"] = (
                    f"{kind} ESS {value:.0f}, expected at least {MIN_ESS:.0f}: too few draws; raise --draws"
                )
        if self.divergences > 0:
            faults["divergences"] = (
                f"{self.divergences} divergent transitions, expected none: raise --target-accept or check the priors"
            )
        if not self.min_bfmi >= MIN_BFMI:
            faults["min_bfmi"] = (
                f"E-BFMI {self.min_bfmi:.2f}, expected at least {MIN_BFMI}: heavy-tailed posterior; check the priors"
            )
        return [Note("not_converged", subject, text) for subject, text in faults.items()]

    def as_dict(self) -> dict[str, float | int | str | None]:
        """The values with None for NaN, ready for JSON; those of importance sampling among them."""
        numbers = {key: value for key, value in vars(self).items() if key != "quality"}
        values = {
            key: None if isinstance(value, float) and np.isnan(value) else value for key, value in numbers.items()
        }
        return values | (self.quality.as_dict() if self.quality is not None else {})


def chains_agree(draws: xr.Dataset, max_rhat: float = MAX_RHAT, min_ess: float = MIN_ESS) -> bool:
    """Whether R-hat and both ESS of all variables, dims (chain, draw), keep their limits.

    True where none can be computed.
    """
    import arviz_stats as az

    if draws.sizes["chain"] < 2 or draws.sizes["draw"] < 4:
        return True
    draws = varying(draws)
    ess = (_worst(az.ess(draws, method=kind), min) for kind in ("bulk", "tail"))
    return _worst(az.rhat(draws), max) <= max_rhat and all(value >= min_ess for value in ess)


def diagnose_sampling(tree: xr.DataTree) -> Diagnostics:
    """Sampler diagnostics of a fit over all parameters and derived quantities."""
    quality, method, seconds = quality_of(tree), tree.attrs.get("method", "nuts"), float(tree.attrs["seconds"])
    posterior = varying(tree["posterior"].to_dataset())
    if method == "importance" and quality is not None:
        ess = quality.importance_ess
        return Diagnostics(between_chains(posterior), ess, np.nan, 0, np.nan, seconds, method, quality)
    import arviz_stats as az

    rhat = az.rhat(posterior)
    bulk, tail = az.ess(posterior, method="bulk"), az.ess(posterior, method="tail")
    return Diagnostics(
        max_rhat=_worst(rhat, max),
        min_ess_bulk=_worst(bulk, min),
        min_ess_tail=_worst(tail, min),
        divergences=int(tree["sample_stats"]["diverging"].sum()),
        min_bfmi=float(az.bfmi(tree)["energy"].min()),
        seconds=seconds,
        quality=quality,
    )


def by_quantity(fit: xr.DataTree, draws: xr.Dataset) -> dict[str, tuple[float, float]]:
    """R-hat and bulk ESS of every quantity of a fit, dims (chain, draw); NaN where there is none.

    Draws of importance sampling are independent, and all quantities have its effective number of draws.
    """
    quality = quality_of(fit)
    if fit.attrs.get("method", "nuts") == "importance" and quality is not None:
        return {
            str(name): (rhat_of(value.values) if draws.sizes["chain"] > 1 else np.nan, quality.importance_ess)
            for name, value in draws.data_vars.items()
        }
    import arviz_stats as az

    rhat, bulk = az.rhat(varying(draws)), az.ess(draws, method="bulk")
    return {str(n): (float(rhat[n]) if n in rhat else np.nan, float(bulk[n])) for n in draws.data_vars}


def between_chains(draws: xr.Dataset) -> float:
    """Largest R-hat of independent draws (Gelman and Rubin 1992), dims (chain, draw); NaN for a single chain."""
    if draws.sizes["chain"] < 2 or not draws.data_vars:
        return float("nan")
    return max(float(rhat_of(np.asarray(value.values))) for value in draws.data_vars.values())


def rhat_of(values: np.ndarray) -> float:
    """R-hat of independent draws of one quantity, shape (chain, draw)."""
    within, count = values.var(axis=1, ddof=1).mean(), values.shape[1]
    if not within > 0:
        return float("nan")
    return float(np.sqrt((count - 1) / count + values.mean(axis=1).var(ddof=1) / within))


def varying(draws: xr.Dataset) -> xr.Dataset:
    """Every scalar quantity, one a run where there are several, that is not the same in every draw of every chain.

    A damping that no lag erodes is always the same, and has no R-hat.
    """
    if draws.sizes["chain"] < 2:
        return draws
    out = {}
    for name, value in draws.data_vars.items():
        if value.ndim == 2:
            out[name] = value
        else:
            out |= {f"{name}[{run}]": value.sel(run=run, drop=True) for run in value["run"].values}
    return xr.Dataset({name: value for name, value in out.items() if np.ptp(value.values) > 0})


def _worst(statistic: xr.Dataset, choose: Callable[[list[float]], float]) -> float:
    values = [float(entry) for value in statistic.data_vars.values() for entry in np.ravel(value.values)]
    return float("nan") if any(np.isnan(values)) else float(choose(values))
