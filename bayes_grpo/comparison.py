"""Laws compared by how well they predict rewards that they have not seen, on one run or on several."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arviz_stats as az
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.utils import ELPDData

from bayes_grpo.comparison_inputs import check_fits, check_inputs, check_pools, usable
from bayes_grpo.errors import InputError
from bayes_grpo.fitting import fit
from bayes_grpo.sampling import Progress
from bayes_grpo.schema import combine
from bayes_grpo.scoring import Scored, score
from bayes_grpo.spec import ModelSpec
from bayes_grpo.statement import LEAST_REWARDS, Difference, Scores, difference, statement


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; all scores in nats, higher is better.

    Parameters
    ----------
    method : {"loo", "lfo"}
        Leave-one-out or leave-future-out.
    table : pandas.DataFrame
        A row a model, best first: ``elpd`` summed over all rewards and its standard error ``se``; ``delta``, the difference to
        the best (at most 0), and its standard error ``delta_se``; stacking ``weight``; ``max_khat``, the largest Pareto k, and
        ``high_khat``, how many are too large; ``parameters``, their effective number; ``converged``.
    per_run : pandas.DataFrame
        The same for each run and model, the difference being to the run's best.
    pointwise : xarray.Dataset
        ``elpd``, ``khat`` and ``reliable``, dims (model, observation), with coordinates ``run`` and ``optimizer_step``.
    statement : str
        The result in words.
    warnings : tuple of str
        What speaks against it.
    converged : bool
        Whether all fits did.
    """

    method: str
    table: pd.DataFrame
    per_run: pd.DataFrame
    pointwise: xr.Dataset
    statement: str
    warnings: tuple[str, ...]
    converged: bool

    def scores(self, model: str) -> Scores:
        """Pointwise scores of a model, in the order of ``pointwise``."""
        own = self.pointwise.sel(model=model)
        return Scores(own["elpd"].values, own["reliable"].values)

    def difference(self, better: str, other: str) -> Difference:
        """How far model ``other`` is behind model ``better``, with the rules of `bayes_grpo.statement`."""
        return difference(self.scores(better), self.scores(other), self.pointwise["run"].values.astype(str))

    def as_dict(self) -> dict[str, Any]:
        """The comparison as one JSON-ready object."""
        return {
            "method": self.method,
            "runs": [str(label) for label in pd.unique(self.pointwise["run"].values)],
            "rewards": int(self.pointwise.sizes["observation"]),
            "table": _records(self.table.reset_index()),
            "per_run": _records(self.per_run),
            "statement": self.statement,
            "warnings": list(self.warnings),
            "converged": self.converged,
        }


def compare(
    runs: xr.Dataset | Sequence[xr.Dataset],
    models: Sequence[str | Path | ModelSpec],
    *,
    method: str = "loo",
    min_observations: int | None = None,
    progress: Callable[[str], AbstractContextManager[Progress | None]] | None = None,
    keep: Callable[[xr.DataTree], object] | None = None,
    **settings: Any,
) -> Comparison:
    """Fit each model to each run, models that pool to all runs together, and compare their predictions.

    Parameters
    ----------
    runs : xarray.Dataset or sequence of them
        Dims (run, step).
    models : sequence of str, Path or ModelSpec
        At least two.
    method : {"loo", "lfo"}
        ``loo`` scores each reward given all others of its run, ``lfo`` given those before it; see `bayes_grpo.crossval`.
    min_observations : int, optional
        For ``lfo``: rewards given before the first is predicted; by default the first third of the run.
    progress : callable, optional
        Called with a title before each fit; the context manager it returns yields what `bayes_grpo.fit` takes as ``progress``.
    keep : callable, optional
        Called with each fit when it is done, for instance to save it; afterwards the fit is dropped.
    **settings
        Passed to `bayes_grpo.fit`: backend, seed, draws, tune, chains, target_accept.

    Returns
    -------
    Comparison
        A run that some model cannot be fitted to is left out for all, with a warning.

    Raises
    ------
    InputError
        If models or runs cannot be compared (all faults at once), or no run can be fitted.
    """
    parts = [runs] if isinstance(runs, xr.Dataset) else list(runs)
    singles = {str(label): part.sel(run=[label]) for part in parts for label in part["run"].values}
    labels = [str(label) for part in parts for label in part["run"].values]
    specs = check_inputs(labels, parts, models, method, min_observations)
    left_out = usable(singles, specs, min_observations)
    told: Callable[[str], AbstractContextManager[Progress | None]] = progress or (lambda title: nullcontext())
    kept = {label: single for label, single in singles.items() if label not in left_out}
    if not kept:
        raise InputError("compare", [f"{label}: {fault}" for label, fault in left_out.items()])
    pool = combine(list(kept.values())) if any(spec.pooled for spec in specs) else None
    check_pools(pool, specs)
    scored = []
    for spec in specs:
        targets = [(pool, None, f"{len(kept)} runs")] if spec.pooled else [(r, n, n) for n, r in kept.items()]
        for dataset, label, title in targets:
            with told(f"{title}: {spec.name}") as report:
                tree = fit(dataset, spec, run=label, progress=report, **settings)  # type: ignore[arg-type]
            if keep is not None:
                keep(tree)
            with told(f"{title}: {spec.name}, refits") if method == "lfo" else nullcontext() as report:
                scored.append(score(tree, method, spec, min_observations, report))
    notes = [f"{label} is left out: {fault}" for label, fault in left_out.items()]
    return _assemble(scored, list(kept), method, notes)


def compare_fits(
    fits: Sequence[xr.DataTree],
    *,
    method: str = "loo",
    models: Sequence[str | Path | ModelSpec] = (),
    min_observations: int | None = None,
) -> Comparison:
    """Compare fits that are at hand, also after `bayes_grpo.load_fit`.

    Parameters
    ----------
    fits : sequence of xarray.DataTree
        Of at least two models, each with the same runs.
    method, min_observations
        As for `compare`.
    models : sequence of str, Path or ModelSpec, optional
        For ``lfo``: models that did not come with the package.

    Raises
    ------
    InputError
        If the fits are not of the same data; all faults at once.
    """
    own = check_fits(fits, models, method)
    scored = [score(tree, method, own.get(tree.attrs["model"]), min_observations) for tree in fits]
    labels = [str(label) for label in pd.unique(np.concatenate([one.run for one in scored]))]
    return _assemble(scored, labels, method, [])


def _assemble(scored: Sequence[Scored], labels: list[str], method: str, notes: list[str]) -> Comparison:
    models = list(dict.fromkeys(one.model for one in scored))
    pointwise = xr.concat([_pointwise(models, label, scored) for label in labels], dim="observation")
    caught: list[str] = []
    table = _table(pointwise, models, scored, caught)
    per_run = pd.concat([_run_table(group, str(label)) for label, group in _by_run(pointwise, labels)])
    per_run["converged"] = [_converged(scored, m, r) for m, r in zip(per_run["model"], per_run["run"], strict=True)]
    doubtful = {name: "no fit of it converged" for name in models if not _any_converged(scored, name)}
    scores = {name: Scores(*(pointwise[key].sel(model=name).values for key in ("elpd", "reliable"))) for name in models}
    said = statement(scores, pointwise["run"].values.astype(str), method, doubtful)
    converged = not any(one.failures for one in scored)
    return Comparison(
        method,
        table,
        per_run.reset_index(drop=True),
        pointwise,
        said,
        tuple(dict.fromkeys([*notes, *_warnings(scored, table, pointwise), *caught, *_assumptions(scored)])),
        converged,
    )


def _pointwise(models: list[str], label: str, scored: Sequence[Scored]) -> xr.Dataset:
    """Scores of one run by all models, dims (model, observation)."""
    columns: dict[str, list[np.ndarray]] = {"elpd": [], "khat": [], "reliable": []}
    steps = np.zeros(0)
    for name in models:
        for one in scored:
            here = one.run == label
            if one.model != name or not here.any():
                continue
            steps = one.optimizer_step[here]
            columns["elpd"].append(np.where(np.isnan(one.elpd[here]), -np.inf, one.elpd[here]))
            columns["khat"].append(one.khat[here])
            # A missing Pareto k is that of a refit: no importance sampling, nothing to distrust.
            columns["reliable"].append(~(one.khat[here] > one.good_khat) & (not one.failures))
    return xr.Dataset(
        {key: (("model", "observation"), np.stack(rows)) for key, rows in columns.items()},
        {"model": models, "optimizer_step": ("observation", steps), "run": ("observation", [label] * steps.size)},
    )


def _table(pointwise: xr.Dataset, models: list[str], scored: Sequence[Scored], caught: list[str]) -> pd.DataFrame:
    # Weights and differences do not change where all models' scores of a reward are moved together; exp() stays finite.
    moved = pointwise["elpd"] - pointwise["elpd"].max("model")
    count = pointwise.sizes["observation"]
    entries = {}
    for name in models:
        own = pointwise["elpd"].sel(model=name).values
        of_model = [one for one in scored if one.model == name]
        entries[name] = ELPDData(
            elpd=own.sum(),
            se=np.sqrt(count * own.var()),
            p=sum(one.parameters for one in of_model),
            n_samples=min(one.draws for one in of_model),
            n_data_points=count,
            scale="log",
            warning=False,
            good_k=min(one.good_khat for one in of_model),
            elpd_i=moved.sel(model=name),
            pareto_k=pointwise["khat"].sel(model=name),
        )
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always", UserWarning)
        found = az.compare(entries, method="stacking", round_to="none")
    caught += [str(one.message) for one in record if issubclass(one.category, UserWarning)]
    found = found.rename(columns={"elpd_diff": "delta", "dse": "delta_se", "p": "parameters"}).rename_axis("model")
    khat = pointwise["khat"].sel(model=found.index.to_numpy())
    found["max_khat"] = khat.max("observation").values
    found["high_khat"] = [
        sum(int((one.khat > one.good_khat).sum()) for one in scored if one.model == name) for name in found.index
    ]
    found["converged"] = [not any(one.failures for one in scored if one.model == name) for name in found.index]
    columns = ["elpd", "se", "delta", "delta_se", "weight", "max_khat", "high_khat", "parameters", "converged"]
    table: pd.DataFrame = found[columns]
    return table


def _run_table(group: xr.Dataset, label: str) -> pd.DataFrame:
    """Scores of one run's models, best first."""
    elpd, count = group["elpd"], group.sizes["observation"]
    total = elpd.sum("observation")
    gap = elpd - elpd.sel(model=total.idxmax("model"))
    columns = {
        "run": label,
        "model": group["model"].values,
        "elpd": total.values,
        "se": np.sqrt(count) * elpd.std("observation").values,
        "delta": gap.sum("observation").values,
        "delta_se": np.sqrt(count) * gap.std("observation").values,
        "max_khat": group["khat"].max("observation").values,
    }
    return pd.DataFrame(columns).sort_values("elpd", ascending=False)


def _by_run(pointwise: xr.Dataset, labels: list[str]) -> list[tuple[str, xr.Dataset]]:
    return [(label, pointwise.isel(observation=pointwise["run"].values == label)) for label in labels]


def _converged(scored: Sequence[Scored], model: str, label: str) -> bool:
    return not any(one.failures for one in scored if one.model == model and label in one.run)


def _any_converged(scored: Sequence[Scored], model: str) -> bool:
    return any(not one.failures for one in scored if one.model == model)


def _warnings(scored: Sequence[Scored], table: pd.DataFrame, pointwise: xr.Dataset) -> list[str]:
    out = [f"NOT CONVERGED: {one.model} on {one.title}: {fault}" for one in scored for fault in one.failures]
    count = pointwise.sizes["observation"]
    for name, row in table.iterrows():
        if row["high_khat"]:
            limit = min(one.good_khat for one in scored if one.model == name)
            out.append(
                f"{name}: Pareto k above {limit:.2f} at {row['high_khat']} of {count} rewards (largest "
                f"{row['max_khat']:.2f}): its score may be too high; see which with Comparison.pointwise, or use lfo"
            )
    if count < LEAST_REWARDS:
        out.append(f"{count} rewards: standard errors from fewer than {LEAST_REWARDS} are too small")
    return out


def _assumptions(scored: Sequence[Scored]) -> list[str]:
    return list(dict.fromkeys(text for one in scored for text in one.assumptions))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, None for what is not a finite number."""

    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and not np.isfinite(value) else value

    rows: Sequence[Mapping[Any, Any]] = frame.to_dict("records")
    return [{str(key): plain(value) for key, value in row.items()} for row in rows]
