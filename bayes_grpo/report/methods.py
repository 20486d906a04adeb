"""The paragraph on methods, as text for a paper."""

from typing import Any

import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import quantities, versions
from bayes_grpo.inference.convergence import MAX_RHAT, MIN_BFMI, MIN_ESS
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import QUANTITIES, ModelSpec

_PAPERS = {
    "dynamics": "Predictable GRPO: A Closed-Form Model of Training Dynamics, arXiv 2606.30789.",
    "grpo": "Shao et al. 2024, DeepSeekMath (GRPO), arXiv 2402.03300.",
    "kalman": "Kalman 1960, A new approach to linear filtering and prediction problems, J. Basic Eng. 82.",
    "nuts": "Hoffman and Gelman 2014, The No-U-Turn Sampler, JMLR 15.",
    "numpyro": "Phan, Pradhan and Jankowiak 2019, Composable effects for flexible and accelerated probabilistic programming in NumPyro, arXiv 1912.11554.",
    "pymc": "Abril-Pla et al. 2023, PyMC: a modern and comprehensive probabilistic programming framework in Python, PeerJ Comput. Sci. 9.",
    "rhat": "Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, Rank-normalization, folding, and localization: an improved R-hat, Bayesian Analysis 16.",
    "bfmi": "Betancourt 2016, Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo, arXiv 1604.00695.",
    "arviz": "Kumar, Carroll, Hartikainen and Martin 2019, ArviZ, a unified library for exploratory analysis of Bayesian models, JOSS 4.",
    "loo": "Vehtari, Gelman and Gabry 2017, Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC, Stat. Comput. 27.",
    "stacking": "Yao, Vehtari, Simpson and Gelman 2018, Using stacking to average Bayesian predictive distributions, Bayesian Analysis 13.",
}


def spec_of(fit: xr.DataTree) -> ModelSpec | None:
    """The model that was fitted, if it came with the package."""
    try:
        spec = load_model(fit.attrs["model"])
    except InputError:
        return None
    return spec if spec.history == fit.attrs["model_file"] else None


def methods_text(
    fit: xr.DataTree, forecast_fit: xr.DataTree, run: str, parts: dict[str, dict[str, Any] | None]
) -> tuple[list[str], list[str]]:
    """Paragraphs, and the papers they cite."""
    cited = ["grpo", "dynamics", "kalman", "nuts"]
    lines = [_model(fit, run, "The reward curve was modelled")]
    if forecast_fit is not fit:
        lines.append(_model(forecast_fit, run, "The forecast rests on a fit"))
    backend = fit.attrs["backend"]
    cited.append("pymc" if backend == "pymc" else "numpyro")
    lines.append(_sampler(fit) + ("" if forecast_fit is fit else " " + _sampler(forecast_fit)))
    lines.append(
        f"A fit was accepted where R-hat was at most {MAX_RHAT}, bulk and tail effective sample sizes at least {MIN_ESS:.0f}, no "
        f"transition diverged and E-BFMI was at least {MIN_BFMI}. Intervals are equal-tailed, of probability {INTERVAL_PROB:g}."
    )
    cited += ["rhat", "bfmi", "arviz"]
    ahead = parts["forecast"]
    if ahead is not None:
        persistence = ahead["persistence"]
        share = f"; a share of {persistence:.2f} of the paths stays at the present level" if persistence else ""
        lines.append(
            f"Forecasts are posterior predictive paths to step {ahead['until']:g} with the learning rate {ahead['schedule']}{share}."
        )
    if parts["diagnosis"] is not None:
        lines.append(
            "Failures were told apart by one Bayesian model over all logged channels, with onset and time constants "
            "summed out and no sampling."
        )
    if parts["comparison"] is not None:
        lines.append(
            "Laws were compared by expected log predictive density under Pareto-smoothed leave-one-out cross-validation, and weighted by stacking."
        )
        cited += ["loo", "stacking"]
    software = (f"{name} {version}" for name, version in versions(fit).items())
    lines.append(f"Software: {', '.join(software)}.")
    return lines, [_PAPERS[name] for name in cited]


def _model(fit: xr.DataTree, run: str, opening: str) -> str:
    spec = spec_of(fit)
    if spec is None:
        return f"{opening} by the model {fit.attrs['model']}, a model file of its own; its text is stored with the fit."
    known = quantities(fit, run)
    used = {
        name: known[name]
        for name in QUANTITIES
        if name in known and any(name in str(prior) for prior in spec.parameters.values())
    }
    where = f", where {', '.join(f'{name} = {value:g}' for name, value in used.items())}" if used else ""
    priors = "; ".join(f"{name} ~ {prior}" for name, prior in spec.parameters.items())
    return (
        f"{opening} by the model {spec.name}: {spec.equation}. Its likelihood, with all states integrated out, is a "
        f"Kalman filter's. Priors: {priors}{where}."
    )


def _sampler(fit: xr.DataTree) -> str:
    attrs = fit.attrs
    by = "nutpie's NUTS on a PyMC model" if attrs["backend"] == "pymc" else "NUTS in NumPyro"
    return (
        f"The posterior under {attrs['model']} was sampled by {by}: {attrs['chains']} chains of {attrs['draws']} draws after "
        f"{attrs['tune']} of warm-up, target acceptance {attrs['target_accept']:g}, seed {attrs['seed']}."
    )
