"""The paragraph on methods, as text for a paper."""

import json
from collections.abc import Sequence

import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import quantities, versions
from bayes_grpo.inference.convergence import MAX_RHAT, MIN_BFMI, MIN_ESS
from bayes_grpo.inference.importance import quality
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import QUANTITIES, ModelSpec

#: What can be cited, by key.
PAPERS = {
    "dynamics": "Predictable GRPO: A Closed-Form Model of Training Dynamics, arXiv 2606.30789.",
    "grpo": "Shao et al. 2024, DeepSeekMath (GRPO), arXiv 2402.03300.",
    "entropy": "Cui et al. 2025, The entropy mechanism of reinforcement learning for reasoning language models, arXiv "
    "2505.22617.",
    "kalman": "Kalman 1960, A new approach to linear filtering and prediction problems, J. Basic Eng. 82.",
    "nuts": "Hoffman and Gelman 2014, The No-U-Turn Sampler, JMLR 15.",
    "numpyro": "Phan, Pradhan and Jankowiak 2019, Composable effects for flexible and accelerated probabilistic "
    "programming in NumPyro, arXiv 1912.11554.",
    "pymc": "Abril-Pla et al. 2023, PyMC: a modern and comprehensive probabilistic programming framework in Python, "
    "PeerJ Comput. Sci. 9.",
    "rhat": "Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, Rank-normalization, folding, and localization: an "
    "improved R-hat, Bayesian Analysis 16.",
    "pmc": "Cappé, Douc, Guillin, Marin and Robert 2008, Adaptive importance sampling in general mixture classes, "
    "Statistics and Computing 18.",
    "mixture": "Cornuet, Marin, Mira and Robert 2012, Adaptive multiple importance sampling, Scandinavian Journal of "
    "Statistics 39.",
    "psis": "Vehtari, Simpson, Gelman, Yao and Gabry 2024, Pareto smoothed importance sampling, JMLR 25.",
    "bfmi": "Betancourt 2016, Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo, arXiv "
    "1604.00695.",
    "arviz": "Kumar, Carroll, Hartikainen and Martin 2019, ArviZ, a unified library for exploratory analysis of "
    "Bayesian models, JOSS 4.",
    "loo": "Vehtari, Gelman and Gabry 2017, Practical Bayesian model evaluation using leave-one-out cross-validation "
    "and WAIC, Stat. Comput. 27.",
    "stacking": "Yao, Vehtari, Simpson and Gelman 2018, Using stacking to average Bayesian predictive distributions, "
    "Bayesian Analysis 13.",
}

#: When a fit was accepted, by the method that sampled it.
_ACCEPTED = {
    "nuts": f"A fit by NUTS was accepted where R-hat was at most {MAX_RHAT}, bulk and tail effective sample sizes at "
    f"least {MIN_ESS:.0f}, no transition diverged and E-BFMI was at least {MIN_BFMI}.",
    "importance": f"A fit by importance sampling was accepted where Pareto k was at most {quality.MAX_KHAT}, at least "
    f"{quality.MIN_ESS:.0f} draws were effective, and the means of independent repetitions differed by at most "
    f"{quality.MAX_DISAGREEMENT} posterior standard deviations.",
}


def spec_of(fit: xr.DataTree) -> ModelSpec | None:
    """The model that was fitted, if it came with the package."""
    try:
        spec = load_model(fit.attrs["model"])
    except InputError:
        return None
    return spec if spec.history == fit.attrs["model_file"] else None


def methods_text(
    fit: xr.DataTree, forecast_fit: xr.DataTree, run: str, answers: Sequence[tuple[str, Sequence[str]]]
) -> tuple[list[str], list[str]]:
    """Paragraphs, and the papers they cite.

    Parameters
    ----------
    fit, forecast_fit : xarray.DataTree
        The fit of the run, and the one that is forecast from; may be the same.
    run : str
        Label of the run.
    answers : sequence of (str, sequence of str)
        A sentence on how each answer was made, and what it cites.
    """
    lines = [_model(fit, run, "The reward curve was modelled")]
    if forecast_fit is not fit:
        lines.append(_model(forecast_fit, run, "The forecast rests on a fit"))
    lines.append(_sampler(fit) + ("" if forecast_fit is fit else " " + _sampler(forecast_fit)))
    methods = {str(each.attrs.get("method", "nuts")) for each in (fit, forecast_fit)}
    lines += [_ACCEPTED[method] for method in sorted(methods)]
    lines.append(f"Intervals are equal-tailed, of probability {INTERVAL_PROB:g}, and their centres are medians.")
    cited = ["grpo", "dynamics", "kalman"]
    if "importance" in methods:
        cited += ["pmc", "mixture", "psis"]
    if "nuts" in methods:
        cited += ["nuts", "pymc" if fit.attrs["backend"] == "pymc" else "numpyro", "rhat", "bfmi"]
    cited.append("arviz")
    for sentence, papers in answers:
        lines.append(sentence)
        cited += papers
    software = (f"{name} {version}" for name, version in versions(fit).items())
    lines.append(f"Software: {', '.join(software)}.")
    return lines, [PAPERS[name] for name in dict.fromkeys(cited)]


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
    if attrs.get("method") == "importance":
        drawn = json.loads(attrs["importance"])
        return (
            f"The posterior under {attrs['model']} was sampled by adaptive importance sampling: {attrs['chains']} "
            f"times {attrs['draws']} draws of equal weight from {drawn['evaluations']} densities, Pareto k "
            f"{drawn['khat']:.2f}, {drawn['importance_ess']:.0f} effective draws, seed {attrs['seed']}."
        )
    by = "nutpie's NUTS on a PyMC model" if attrs["backend"] == "pymc" else "NUTS in NumPyro"
    return (
        f"The posterior under {attrs['model']} was sampled by {by}: {attrs['chains']} chains of {attrs['draws']} draws "
        f"after {attrs['tune']} of warm-up, target acceptance {attrs['target_accept']:g}, seed {attrs['seed']}."
    )
