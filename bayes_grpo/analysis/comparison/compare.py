"""Laws compared by how well they predict rewards that they have not seen, on one run or on several."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_grpo.analysis.comparison.inputs import check_fits, check_inputs, check_pools, usable
from bayes_grpo.analysis.comparison.scores import (
    any_converged,
    assumptions,
    by_run,
    doubts,
    model_table,
    records,
    run_converged,
    run_table,
    side_by_side,
)
from bayes_grpo.analysis.comparison.scoring import Scored, score
from bayes_grpo.analysis.comparison.statement import statement
from bayes_grpo.analysis.differences import Difference, Scores, difference
from bayes_grpo.errors import InputError
from bayes_grpo.inference.fit import fit
from bayes_grpo.inference.progress import Progress
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import combine


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
        """How far model ``other`` is behind model ``better``, with the rules of `bayes_grpo.analysis.differences`."""
        return difference(self.scores(better), self.scores(other), self.pointwise["run"].values.astype(str))

    def as_dict(self) -> dict[str, Any]:
        """The comparison as one JSON-ready object."""
        return {
            "method": self.method,
            "runs": [str(label) for label in pd.unique(self.pointwise["run"].values)],
            "rewards": int(self.pointwise.sizes["observation"]),
            "table": records(self.table.reset_index()),
            "per_run": records(self.per_run),
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
        ``loo`` scores each reward given all others of its run, ``lfo`` given those before it; see `bayes_grpo.analysis.comparison.crossval`.
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
    pointwise = xr.concat([side_by_side(models, label, scored) for label in labels], dim="observation")
    caught: list[str] = []
    table = model_table(pointwise, models, scored, caught)
    per_run = pd.concat([run_table(group, str(label)) for label, group in by_run(pointwise, labels)])
    per_run["converged"] = [run_converged(scored, m, r) for m, r in zip(per_run["model"], per_run["run"], strict=True)]
    doubtful = {name: "no fit of it converged" for name in models if not any_converged(scored, name)}
    scores = {name: Scores(*(pointwise[key].sel(model=name).values for key in ("elpd", "reliable"))) for name in models}
    said = statement(scores, pointwise["run"].values.astype(str), method, doubtful)
    converged = not any(one.failures for one in scored)
    return Comparison(
        method,
        table,
        per_run.reset_index(drop=True),
        pointwise,
        said,
        tuple(dict.fromkeys([*notes, *doubts(scored, table, pointwise), *caught, *assumptions(scored)])),
        converged,
    )
