"""Laws compared by how well they predict rewards that they have not seen, on one run or on several."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_grpo.analysis.comparison.inputs import CRITERIA, check_fits, check_inputs, check_pools, unusable_runs
from bayes_grpo.analysis.comparison.ranking import (
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
from bayes_grpo.analysis.notes import Noted, noted
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.fit import fit
from bayes_grpo.inference.progress import Progress
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import combine

#: Called with a title before each fit; the context manager that it returns yields what `bayes_grpo.fit` takes as
#: ``progress``.
Reporting = Callable[[str], AbstractContextManager[Progress | None]]


class ComparisonSummary(Noted):
    """A comparison ready for JSON; the entries are the fields of `Comparison`."""

    criterion: str
    runs: list[str]
    rewards: int
    table: list[dict[str, Any]]
    per_run: list[dict[str, Any]]
    statement: str
    converged: bool


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison; all scores in nats, higher is better.

    Parameters
    ----------
    criterion : {"loo", "lfo"}
        Leave-one-out or leave-future-out.
    table : pandas.DataFrame
        A row a model, best first: ``elpd`` summed over all rewards and its standard error ``se``; ``delta``, the
        difference to the best (at most 0), and its standard error ``delta_se``; stacking ``weight``; ``max_khat``, the
        largest Pareto k, and ``high_khat``, how many are too large; ``parameters``, their effective number;
        ``converged``.
    per_run : pandas.DataFrame
        The same for each run and model, the difference being to the run's best.
    pointwise : xarray.Dataset
        ``elpd``, ``khat`` and ``reliable``, dims (model, observation), with coordinates ``run`` and ``optimizer_step``.
    statement : str
        The result in words.
    notes : tuple of bayes_grpo.errors.Note
        What speaks against it, and what the fits rest on.
    converged : bool
        Whether all fits did.
    """

    criterion: str
    table: pd.DataFrame
    per_run: pd.DataFrame
    pointwise: xr.Dataset
    statement: str
    notes: tuple[Note, ...]
    converged: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes as sentences."""
        return tuple(str(note) for note in self.notes)

    def scores(self, model: str) -> Scores:
        """Pointwise scores of a model, in the order of ``pointwise``."""
        scored = self.pointwise.sel(model=model)
        return Scores(scored["elpd"].values, scored["reliable"].values)

    def difference(self, better: str, other: str) -> Difference:
        """How far model ``other`` is behind model ``better``, with the rules of `bayes_grpo.analysis.differences`."""
        return difference(self.scores(better), self.scores(other), self.pointwise["run"].values.astype(str))

    def as_dict(self) -> ComparisonSummary:
        """The comparison ready for JSON."""
        return {
            "criterion": self.criterion,
            "runs": [str(label) for label in pd.unique(self.pointwise["run"].values)],
            "rewards": int(self.pointwise.sizes["observation"]),
            "table": records(self.table.reset_index()),
            "per_run": records(self.per_run),
            "statement": self.statement,
            "converged": self.converged,
            **noted(self.notes),
        }


def compare(
    runs: xr.Dataset | Sequence[xr.Dataset],
    models: Sequence[str | Path | ModelSpec],
    *,
    criterion: str = "loo",
    min_observations: int | None = None,
    progress: Reporting | None = None,
    on_fit: Callable[[xr.DataTree], object] | None = None,
    **settings: Any,
) -> Comparison:
    """Fit each model to each run, models that pool to all runs together, and compare their predictions.

    Parameters
    ----------
    runs : xarray.Dataset or sequence of them
        Dims (run, step).
    models : sequence of str, Path or ModelSpec
        At least two.
    criterion : {"loo", "lfo"}
        ``loo`` scores each reward given all others of its run, ``lfo`` given those before it; see
        `bayes_grpo.analysis.comparison.crossval`.
    min_observations : int, optional
        For ``lfo``: rewards given before the first is predicted; by default the first third of the run.
    progress : callable, optional
        Called with a title before each fit; the context manager it returns yields what `bayes_grpo.fit` takes as
        ``progress``.
    on_fit : callable, optional
        Called with each fit when it is done, for instance to save it; afterwards the fit is dropped.
    **settings
        Passed to `bayes_grpo.fit`: method, backend, seed, draws, tune, chains, target_accept.

    Returns
    -------
    Comparison
        - ``table``, ``per_run``: scores of the models, over all runs and for each run.
        - ``pointwise``: the score of every reward under every model.
        - ``statement``: the result in words.
        - ``notes``, ``warnings``: what speaks against it, as data and as sentences. A run that some model cannot be
          fitted to
          is left out for all models, with a note.
        - ``converged``: whether all fits did.

    Raises
    ------
    InputError
        If models or runs cannot be compared (all faults at once), or no run can be fitted.

    Examples
    --------
    >>> import bayes_grpo
    >>> run = bayes_grpo.example_run()
    >>> comparison = bayes_grpo.compare(run, ["overdamped", "exponential"], draws=50, tune=100, chains=2)
    >>> comparison.table.index[0], bool(comparison.difference("overdamped", "exponential").nats > 10)
    ('overdamped', True)
    """
    if (asked := settings.get("method")) in CRITERIA:
        text = f"method: expected auto, importance or nuts, found {asked!r}; what scores the models is the criterion"
        raise InputError("compare", text)
    parts = [runs] if isinstance(runs, xr.Dataset) else list(runs)
    singles = {str(label): part.sel(run=[label]) for part in parts for label in part["run"].values}
    labels = [str(label) for part in parts for label in part["run"].values]
    specs = check_inputs(labels, parts, models, criterion, min_observations)
    unusable = unusable_runs(singles, specs, min_observations)
    reporting: Reporting = progress or (lambda title: nullcontext())
    compared = {label: single for label, single in singles.items() if label not in unusable}
    if not compared:
        raise InputError("compare", [f"{label}: {fault}" for label, fault in unusable.items()])
    pool = combine(list(compared.values())) if any(spec.pooled for spec in specs) else None
    check_pools(pool, specs)
    scored = []
    for spec in specs:
        each = [(single, label, label) for label, single in compared.items()]
        targets = [(pool, None, f"{len(compared)} runs")] if spec.pooled else each
        for dataset, label, title in targets:
            with reporting(f"{title}: {spec.name}") as report:
                tree = fit(dataset, spec, run=label, progress=report, **settings)  # type: ignore[arg-type]
            if on_fit is not None:
                on_fit(tree)
            with reporting(f"{title}: {spec.name}, refits") if criterion == "lfo" else nullcontext() as report:
                scored.append(score(tree, criterion, spec, min_observations, report))
    excluded = [Note("left_out", label, f"{label} is left out: {fault}") for label, fault in unusable.items()]
    return _assemble(scored, list(compared), criterion, excluded)


def compare_fits(
    fits: Sequence[xr.DataTree],
    *,
    criterion: str = "loo",
    models: Sequence[str | Path | ModelSpec] = (),
    min_observations: int | None = None,
) -> Comparison:
    """Compare models by fits that have been made before.

    Parameters
    ----------
    fits : sequence of xarray.DataTree
        Of at least two models, each fitted to the same runs; also after `bayes_grpo.load_fit`.
    criterion
        As for `compare`.
    models : sequence of str, Path or ModelSpec, optional
        For ``lfo``: models that did not come with the package.
    min_observations
        As for `compare`.

    Returns
    -------
    Comparison
        As of `compare`.

    Raises
    ------
    InputError
        If the fits are not of the same data; all faults at once.

    Examples
    --------
    >>> import bayes_grpo
    >>> run, few = bayes_grpo.example_run(), {"draws": 50, "tune": 100, "chains": 2}
    >>> fits = [bayes_grpo.fit(run, model, **few) for model in ("overdamped", "exponential")]
    >>> bayes_grpo.compare_fits(fits).as_dict()["rewards"]
    380
    """
    specs = check_fits(fits, models, criterion)
    scored = [score(tree, criterion, specs.get(tree.attrs["model"]), min_observations) for tree in fits]
    labels = [str(label) for label in pd.unique(np.concatenate([scores.run for scores in scored]))]
    return _assemble(scored, labels, criterion, [])


def _assemble(scored: Sequence[Scored], labels: list[str], criterion: str, excluded: list[Note]) -> Comparison:
    models = list(dict.fromkeys(scores.model for scores in scored))
    pointwise = xr.concat([side_by_side(models, label, scored) for label in labels], dim="observation")
    table, caught = model_table(pointwise, models, scored)
    per_run = pd.concat([run_table(group, str(label)) for label, group in by_run(pointwise, labels)])
    per_run["converged"] = [run_converged(scored, m, r) for m, r in zip(per_run["model"], per_run["run"], strict=True)]
    doubtful = {name: "no fit of it converged" for name in models if not any_converged(scored, name)}
    by_model = {n: Scores(*(pointwise[key].sel(model=n).values for key in ("elpd", "reliable"))) for n in models}
    return Comparison(
        criterion,
        table,
        per_run.reset_index(drop=True),
        pointwise,
        statement(by_model, pointwise["run"].values.astype(str), criterion, doubtful),
        tuple(dict.fromkeys([*excluded, *doubts(scored, table, pointwise), *caught, *assumptions(scored)])),
        not any(scores.failures for scores in scored),
    )
