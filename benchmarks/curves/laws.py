"""The package's laws as forecasters."""

import numpy as np

from bayes_grpo.analysis.forecast.paths import make_basis, sample_paths
from bayes_grpo.inference.layout import RESOLUTION, prepare
from bayes_grpo.inference.posterior import draw_posterior
from bayes_grpo.inference.sampler import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from benchmarks.curves.contract import Case, Forecast, Forecaster

#: Paths of a forecast, and draws of the fit that they are from.
PATHS, DRAWS, CHAINS = 400, 500, 2


def law(spec: ModelSpec | str, method: str = "importance") -> Forecaster:
    """A model's forecast without persistence."""
    model = load_model(spec) if isinstance(spec, str) else spec

    def forecast(case: Case) -> Forecast:
        prepared = prepare(case.past.expand_dims("run"), model)
        sampler = Sampler(method=method, seed=case.seed, chains=CHAINS, draws=DRAWS)
        posterior = draw_posterior(model, prepared, sampler)
        basis = make_basis(model, prepared, {name: value.ravel() for name, value in posterior.values.items()})
        paths = sample_paths(basis, case.ahead, case.rate, 0.0, case.seed, PATHS)
        which = np.linspace(0, CHAINS * DRAWS - 1, PATHS).round().astype(int)
        setting = basis.setting.values
        noise = basis.values["observation_sd"][which, None] / np.sqrt(setting["logging_window"])
        noise = np.hypot(noise, RESOLUTION * setting["reward_range"])
        evidence = float("nan") if posterior.weighted is None else posterior.weighted.log_evidence
        return Forecast(paths["expected_reward"], noise, evidence)

    return forecast
