"""The package's laws, and its mixture of them, as forecasters."""

import numpy as np

from bayes_grpo.analysis.forecast.forecast import remaining_over_logged
from bayes_grpo.analysis.forecast.mixture import PERSISTENCE, MemberFit, fit_members, load_mixture
from bayes_grpo.analysis.forecast.paths import persistent_paths, sample_paths
from bayes_grpo.inference.layout import RESOLUTION
from bayes_grpo.inference.quantities import settle
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from benchmarks.curves.contract import Case, Forecast, Forecaster

#: Paths of a forecast, and draws of the fit that they are from.
PATHS, DRAWS, CHAINS = 400, 500, 2


def law(spec: ModelSpec | str, method: str = "importance") -> Forecaster:
    """A model's forecast without persistence."""
    model = load_model(spec) if isinstance(spec, str) else spec

    def forecast(case: Case) -> Forecast:
        (fit,) = _fits(case, {model.name: model}, method).values()
        weighted = fit.posterior.weighted
        evidence = float("nan") if weighted is None else weighted.log_evidence
        return _paths(case, fit, PATHS)._replace(log_evidence=evidence)

    return forecast


def mixture(method: str = "importance") -> Forecaster:
    """What `bayes_grpo.forecast` gives for a log: persistence and laws, with the shares that come with the package."""
    shipped = load_mixture()

    def forecast(case: Case) -> Forecast:
        fits = _fits(case, shipped.specs, method)
        shares = shipped.shares(remaining_over_logged(case.steps, float(case.ahead[-1])))
        parts = [_paths(case, fit, round(shares[name] * PATHS)) for name, fit in fits.items()]
        parts.append(persistence(case, PATHS - sum(len(part.expected) for part in parts)))
        noise = [np.broadcast_to(part.noise, (len(part.expected), 1)) for part in parts]
        return Forecast(np.concatenate([part.expected for part in parts]), np.concatenate(noise))

    assert PERSISTENCE not in shipped.members
    return forecast


def persistence(case: Case, count: int = PATHS) -> Forecast:
    """The mixture's persistence alone: the level that the run has reached goes on as it moved of late."""
    setting = settle(case.past, load_model("overdamped"))
    paths = persistent_paths(case.past, setting, case.ahead, max(count, 1), np.random.default_rng(case.seed))
    expected = paths["expected_reward"]
    if "reward_bounds" not in setting.assumptions:
        expected = np.clip(expected, case.lower, case.upper)
    return Forecast(expected[:count], paths["noise_sd"][:count, None])


def _fits(case: Case, specs: dict[str, ModelSpec], method: str) -> dict[str, MemberFit]:
    sampler = Sampler(method=method, seed=case.seed, chains=CHAINS, draws=DRAWS)
    return fit_members(case.past.expand_dims("run"), specs, sampler)


def _paths(case: Case, fit: MemberFit, count: int) -> Forecast:
    """So many paths of a law."""
    basis = fit.basis
    paths = sample_paths(basis, case.ahead, case.rate, 0.0, case.seed, max(count, 1))
    which = np.linspace(0, CHAINS * DRAWS - 1, max(count, 1)).round().astype(int)
    setting = basis.setting.values
    noise = basis.values["observation_sd"][which, None] / np.sqrt(setting["logging_window"])
    return Forecast(paths["expected_reward"][:count], np.hypot(noise, RESOLUTION * setting["reward_range"])[:count])
