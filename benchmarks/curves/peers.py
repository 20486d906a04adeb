"""How people forecast a reward curve today: least-squares curves, means, time-series packages, a Gaussian process.

statsforecast and fracast are no dependencies of the project: where one is missing, its models are left out, and stderr
says so.
"""

import sys
import warnings
from collections.abc import Callable

import celerite2
import numpy as np
from scipy.optimize import curve_fit, minimize
from scipy.stats import norm

from benchmarks.curves.contract import Case, Forecast, Forecaster

DRAWS, BOOTSTRAPS = 400, 60
SHARE, LEAST = 0.1, 5
#: Noise is taken as at least this share of the reward's range, as in the package.
RESOLUTION = 1e-3


def _normal(case: Case, mean: np.ndarray, sd: np.ndarray, noise: float) -> Forecast:
    """From means and standard deviations of single rewards, of which ``noise`` is independent from row to row."""
    error = np.sqrt(np.maximum(sd**2 - noise**2, 0.0))
    return Forecast(mean + error * np.random.default_rng(case.seed).standard_normal((DRAWS, 1)), noise)


def _least_noise(case: Case) -> float:
    return RESOLUTION * (case.upper - case.lower)


def last_mean(case: Case) -> Forecast:
    """The mean of the last tenth goes on, known up to its error."""
    last = case.rewards[-max(LEAST, round(SHARE * case.rewards.size)) :]
    noise = max(float(last.std(ddof=1)), _least_noise(case))
    rows = np.ones(case.ahead.size)
    return _normal(case, last.mean() * rows, noise * np.sqrt(1 + 1 / last.size) * rows, noise)


def drift(case: Case) -> Forecast:
    """The straight line through the means of the first and the last tenth goes on."""
    count = max(LEAST, round(SHARE * case.rewards.size))
    first, last = case.rewards[:count], case.rewards[-count:]
    noise = max(float(last.std(ddof=1)), _least_noise(case))
    begin, end = case.steps[:count].mean(), case.steps[-count:].mean()
    reach = (case.ahead - end) / (end - begin)
    mean = last.mean() + (last.mean() - first.mean()) * reach
    return _normal(case, mean, noise * np.sqrt(1 + ((1 + reach) ** 2 + reach**2) / count), noise)


def _curve(
    case: Case, law: Callable[..., np.ndarray], start: list[float], bounds: tuple[list[float], list[float]]
) -> Forecast:
    """Bounded least squares with a residual bootstrap."""
    rng = np.random.default_rng(case.seed)
    start = list(np.clip(start, np.array(bounds[0]) + 1e-9, np.array(bounds[1]) - 1e-9))

    def fitted(rewards: np.ndarray, begin: list[float]) -> list[float]:
        try:
            return list(curve_fit(law, case.steps, rewards, begin, bounds=bounds, max_nfev=400)[0])
        except (RuntimeError, ValueError):
            return begin

    best = fitted(case.rewards, start)
    rest = case.rewards - law(case.steps, *best)
    noise = max(float(rest.std()), _least_noise(case))
    curves = []
    for _ in range(BOOTSTRAPS):
        again = fitted(law(case.steps, *best) + rng.choice(rest, rest.size), best)
        curves.append(law(case.ahead, *again))
    return Forecast(np.array(curves)[np.arange(DRAWS) % BOOTSTRAPS], noise)


def exponential(case: Case) -> Forecast:
    """Single exponential, the plateau inside the reward's bounds."""

    def law(step: np.ndarray, start: float, plateau: float, log_rate: float) -> np.ndarray:
        return plateau + (start - plateau) * np.exp(-np.exp(log_rate) * step)

    span, low, high = case.steps[-1], case.lower, case.upper
    start = [case.rewards[:LEAST].mean(), case.rewards[-LEAST:].mean(), np.log(3 / span)]
    return _curve(case, law, start, ([low, low, np.log(0.01 / span)], [high, high, 0.0]))


def sigmoid(case: Case) -> Forecast:
    """ScaleRL's sigmoid in compute (arXiv 2510.13786), the plateau inside the reward's bounds."""

    def law(step: np.ndarray, start: float, plateau: float, log_middle: float, steepness: float) -> np.ndarray:
        return start + (plateau - start) / (1 + np.exp(steepness * (log_middle - np.log(np.maximum(step, 1e-9)))))

    span, low, high = case.steps[-1], case.lower, case.upper
    start = [case.rewards[:LEAST].mean(), case.rewards[-LEAST:].mean(), np.log(span / 3), 1.5]
    return _curve(case, law, start, ([low, low, np.log(span / 100), 0.1], [high, high, np.log(span * 100), 10.0]))


def celerite(case: Case) -> Forecast:
    """A stochastically driven harmonic oscillator with noise (celerite2), by maximum likelihood."""
    begin = case.steps - case.steps[0]
    spread, mean, span = max(case.rewards.std(), 1e-6), case.rewards.mean(), max(begin[-1], 1.0)

    def process(place: np.ndarray) -> celerite2.GaussianProcess:
        log_sigma, log_rho, log_tau, log_noise, level = place
        term = celerite2.terms.SHOTerm(sigma=np.exp(log_sigma), rho=np.exp(log_rho), tau=np.exp(log_tau))
        gp = celerite2.GaussianProcess(term, mean=level)
        gp.compute(begin, diag=np.exp(2 * log_noise) + 1e-8 * spread**2)
        return gp

    def loss(place: np.ndarray) -> float:
        try:
            value = -process(place).log_likelihood(case.rewards)
        except (np.linalg.LinAlgError, ValueError, OverflowError):
            return 1e10
        return float(value) if np.isfinite(value) else 1e10

    start = np.array([np.log(spread), np.log(span), np.log(span / 2), np.log(spread / 2), mean])
    box = [
        (start[0] - 5, start[0] + 3),
        (0.0, start[1] + 3),
        (0.0, start[2] + 3),
        (start[3] - 5, start[3] + 3),
        (None, None),
    ]
    best = minimize(loss, start, method="L-BFGS-B", bounds=box).x
    middle, variance = process(best).predict(case.rewards, case.ahead - case.steps[0], return_var=True)
    noise = max(float(np.exp(best[3])), _least_noise(case))
    return _normal(case, middle, np.sqrt(np.maximum(variance, 0) + noise**2), noise)


def _stats(name: str) -> Forecaster:
    def forecast(case: Case) -> Forecast:
        from statsforecast import models

        options = {"damped": True} if name == "AutoETS" else {}
        model = getattr(models, name)(season_length=1, **options)
        told = model.forecast(y=case.rewards, h=case.ahead.size, level=[90])
        sd = np.maximum((told["hi-90"] - told["lo-90"]) / (2 * norm.ppf(0.95)), _least_noise(case))
        # What stays of the variance one step ahead is noise of single rows; the rest is common to a block.
        return _normal(case, np.asarray(told["mean"]), np.asarray(sd), float(sd[0]))

    return forecast


def fracast() -> Forecaster:
    """Fracast-0, a zero-shot model of time series that has seen other series; its weights come with its package."""
    from fracast import FracastModel

    model = FracastModel.from_pretrained()
    tenth, middle, ninth = (int(np.argmin(np.abs(np.array(model.quantiles) - level))) for level in (0.1, 0.5, 0.9))

    def forecast(case: Case) -> Forecast:
        told = np.asarray(model.forecast(case.rewards, horizon=case.ahead.size), float)
        sd = np.maximum((told[:, ninth] - told[:, tenth]) / (2 * norm.ppf(0.9)), _least_noise(case))
        # As above: what it says of the next row is noise of single rows, the rest is common to a block.
        return _normal(case, told[:, middle], sd, float(sd[0]))

    return forecast


def peers() -> dict[str, Forecaster]:
    """All that can be run here, by name."""
    out: dict[str, Forecaster] = {
        "last mean": last_mean,
        "drift": drift,
        "exponential": exponential,
        "ScaleRL sigmoid": sigmoid,
        "celerite2 SHO": celerite,
    }
    try:
        out["Fracast-0"] = fracast()
    except ImportError:
        print("fracast is not installed: its zero-shot model is left out", file=sys.stderr)
    try:
        import statsforecast  # noqa: F401
    except ImportError:
        print("statsforecast is not installed: ETS, ARIMA and Theta are left out", file=sys.stderr)
        return out
    warnings.filterwarnings("ignore", module="statsforecast")
    return out | {name: _stats(name) for name in ("AutoETS", "AutoARIMA", "DynamicTheta")}
