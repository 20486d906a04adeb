"""One run and what is asked of it -> one row of the table; this is what a worker does."""

import hashlib
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import interval_row
from bayes_grpo.errors import InputError
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.spec import ModelSpec

#: A row of the table: names of columns and their values.
Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is asked of every run; it travels to the workers.

    Parameters
    ----------
    model : bytes
        The model, pickled; it is read after the laws are known.
    text : str
        What identifies the model: its name and its file.
    sampler : Sampler
        How posteriors are sampled. Every run has the same seed, so its row does not depend on the other runs.
    until : float or None
        Optimizer step to forecast to; a value below 10 is a multiple of the last logged step. None: no forecast.
    diagnose : bool
        Whether failures are looked for.
    fits : str or None
        Folder in which fits are kept.
    laws : tuple of str
        Python files that define laws of one's own.
    """

    model: bytes
    text: str
    sampler: Sampler
    until: float | None = None
    diagnose: bool = False
    fits: str | None = None
    laws: tuple[str, ...] = ()

    def key(self, run: xr.Dataset, source: str) -> str:
        """Name of a row: the same for the same run of the same log, asked the same by the same version."""
        digest = hashlib.sha256()
        asked = asdict(self) | {"model": self.text, "laws": [Path(law).read_text("utf-8") for law in self.laws]}
        digest.update(repr(sorted(asked.items())).encode())
        digest.update(version("bayes-grpo").encode())
        digest.update(str(Path(source).resolve() if Path(source).exists() else source).encode())
        for name in sorted(map(str, run.variables)):
            digest.update(name.encode())
            values = run[name].values
            digest.update(repr(values.tolist()).encode() if values.dtype.kind in "OUST" else values.tobytes())
        return digest.hexdigest()[:32]


def question(
    spec: ModelSpec,
    sampler: Sampler,
    until: float | None,
    diagnose: bool,
    fits: Path | None,
    laws: Sequence[str | Path],
) -> Question:
    """A question about a model that does not pool."""
    files = tuple(str(Path(law).resolve()) for law in laws)
    folder = None if fits is None else str(fits)
    return Question(pickle.dumps(spec), f"{spec.name}\n{spec.text}", sampler, until, diagnose, folder, files)


def answer(asked: Question, run: xr.Dataset, key: str) -> Row:
    """What a run's row says of its fit; a run that cannot be fitted has its error in it.

    Parameters
    ----------
    asked : Question
        What is asked.
    run : xarray.Dataset
        One run, dims (run, step).
    key : str
        Name of the row.
    """
    row: Row = {}
    began = time.perf_counter()
    try:
        row |= _answered(asked, run, key)
    except InputError as error:
        row["error"] = str(error)
    except Exception as error:  # whatever else goes wrong with one of many runs is that run's
        row["error"] = f"{type(error).__name__}: {error}"
    return row | {"seconds": round(time.perf_counter() - began, 3)}


def described(run: xr.Dataset) -> Row:
    """What is known of a run without fitting it."""
    reward = run["reward"].values.ravel()
    return {
        "run": str(run["run"].values.ravel()[0]),
        "rows": int(np.isfinite(reward).sum()),
        "last_step": float(np.nanmax(run["optimizer_step"].values)),
    }


@lru_cache(maxsize=4)
def _model(pickled: bytes, laws: tuple[str, ...]) -> ModelSpec:
    """The model, with the laws of one's own that it may need; a process of its own has not loaded them yet."""
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.laws.dynamics import load_law

    use_compilation_cache()
    for law in laws:
        if f"bayes_grpo_law_{Path(law).stem}" not in sys.modules:
            load_law(law)
    spec: ModelSpec = pickle.loads(pickled)  # made by `question`, in this program
    return spec


def _answered(asked: Question, run: xr.Dataset, key: str) -> Row:
    spec = _model(asked.model, asked.laws)
    row: Row = {"model": spec.name}
    whole = asked.until is not None or asked.fits is not None
    row |= _of_fit(asked, spec, run, key) if whole else _of_draws(asked, spec, run, key)
    if asked.diagnose:
        row |= _diagnosis(run)
    return row


def _of_draws(asked: Question, spec: ModelSpec, run: xr.Dataset, key: str) -> Row:
    """From importance sampling alone where it can be trusted: no groups of a fit are made that nobody asked for."""
    from bayes_grpo.inference.draws import flatten
    from bayes_grpo.inference.evaluate import evaluator
    from bayes_grpo.inference.importance.draws import draw_importance
    from bayes_grpo.inference.layout import prepare

    if asked.sampler.method == "nuts" or asked.sampler.backend == "pymc":
        return _of_fit(asked, spec, run, key)
    prepared = prepare(run, spec)
    drawn = draw_importance(spec, prepared.data, asked.sampler)
    failures = drawn.quality.failures()
    if failures and asked.sampler.method == "auto":
        return _of_fit(asked, spec, run, key)
    values = flatten(drawn.values)
    row = _parameters(values | evaluator(spec).derive(values, prepared.data))
    return row | {"method": "importance", "converged": not failures, **drawn.quality.as_dict()}


def _of_fit(asked: Question, spec: ModelSpec, run: xr.Dataset, key: str) -> Row:
    """From a whole fit, with the forecast where it is asked for; the fit is kept where that is asked for."""
    from bayes_grpo.inference.convergence import diagnose_sampling
    from bayes_grpo.inference.draws import batch
    from bayes_grpo.inference.fit import fit
    from bayes_grpo.inference.store import save_fit

    if asked.until is not None:
        from bayes_grpo.analysis.forecast.ahead import check_until
        from bayes_grpo.runs.dataset import one_run

        check_until(one_run(run, str(run["run"].values[0])), _step(run, asked.until))
    tree = fit(run, spec, **asdict(asked.sampler))
    posterior = tree["posterior"].to_dataset()
    diagnostics = diagnose_sampling(tree)
    row = _parameters(batch(posterior))
    row |= {"converged": not diagnostics.failures(), **diagnostics.as_dict()}
    row.pop("seconds")
    if asked.until is not None:
        row |= _forecast(tree, asked.until, spec)
    if asked.fits is not None:
        save_fit(tree, Path(asked.fits) / f"{key}.nc")
        row["fit"] = f"{key}.nc"
    return row


def _parameters(values: Mapping[str, np.ndarray]) -> Row:
    """Median and interval of every quantity, and the probabilities of regimes."""
    row: Row = {}
    for name, draws in values.items():
        row |= {f"{name}_{limit}": value for limit, value in interval_row(np.asarray(draws)).items()}
    ratio = values.get("damping_ratio")
    if ratio is not None:
        row["probability_oscillatory"] = float(((ratio > 0) & (ratio < 1)).mean())
        row["probability_unstable"] = float((ratio <= 0).mean())
    return row


def _step(run: xr.Dataset, until: float) -> float:
    """Step to forecast a run to; a value below 10 is a multiple of its last logged step."""
    return until * float(np.nanmax(run["optimizer_step"].values)) if until < 10 else until


def _forecast(tree: xr.DataTree, until: float, spec: ModelSpec) -> Row:
    from bayes_grpo.analysis.forecast.forecast import forecast
    from bayes_grpo.analysis.forecast.summary import summarise_forecast

    step = _step(tree["constant_data"].to_dataset(), until)
    summary = summarise_forecast(forecast(tree, step, model=spec), tree)
    band = summary["mean"]
    return {
        "forecast_until": step,
        **{f"forecast_{limit}": band[limit][-1] for limit in ("median", "lower", "upper")},
        "gain_per_100_steps_median": summary["gain_per_100_steps"]["median"],
        "probability_worth": summary["gain_per_100_steps"]["probability_above_epsilon"],
        "recommendation": summary["recommendation"]["action"],
    }


def _diagnosis(run: xr.Dataset) -> Row:
    from bayes_grpo.analysis.diagnosis.diagnose import diagnose
    from bayes_grpo.analysis.diagnosis.summary import summarise_diagnosis

    summary = summarise_diagnosis(diagnose(run))
    return {
        "diagnosis": summary["diagnosis"],
        **{f"probability_{name}": value for name, value in summary["probabilities"].items()},
    }
