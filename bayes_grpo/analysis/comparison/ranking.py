"""Scores of fits side by side: tables of models and runs, and what speaks against them."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import arviz_stats as az
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.utils import ELPDData

from bayes_grpo.analysis.comparison.scoring import Scored
from bayes_grpo.analysis.differences import LEAST_REWARDS
from bayes_grpo.errors import Note


def side_by_side(models: list[str], label: str, scored: Sequence[Scored]) -> xr.Dataset:
    """Scores of one run by all models, dims (model, observation)."""
    columns: dict[str, list[np.ndarray]] = {"elpd": [], "khat": [], "reliable": []}
    steps = np.zeros(0)
    for name in models:
        for scores in of_model(scored, name):
            here = scores.run == label
            if not here.any():
                continue
            steps = scores.optimizer_step[here]
            columns["elpd"].append(np.where(np.isnan(scores.elpd[here]), -np.inf, scores.elpd[here]))
            columns["khat"].append(scores.khat[here])
            # A missing Pareto k is that of a refit: no importance sampling, nothing to distrust.
            columns["reliable"].append(~(scores.khat[here] > scores.good_khat) & (not scores.failures))
    return xr.Dataset(
        {key: (("model", "observation"), np.stack(rows)) for key, rows in columns.items()},
        {"model": models, "optimizer_step": ("observation", steps), "run": ("observation", [label] * steps.size)},
    )


def of_model(scored: Sequence[Scored], model: str) -> list[Scored]:
    """Scores of the fits of one model."""
    return [scores for scores in scored if scores.model == model]


def model_table(pointwise: xr.Dataset, models: list[str], scored: Sequence[Scored]) -> tuple[pd.DataFrame, list[Note]]:
    """Scores summed over all runs, best first, by `arviz_stats.compare`; and what ArviZ warns of."""
    # Weights and differences do not change where all models' scores of a reward are moved together; exp() stays finite.
    moved = pointwise["elpd"] - pointwise["elpd"].max("model")
    count = pointwise.sizes["observation"]
    entries = {}
    for name in models:
        elpd = pointwise["elpd"].sel(model=name).values
        fits = of_model(scored, name)
        entries[name] = ELPDData(
            elpd=elpd.sum(),
            se=np.sqrt(count * elpd.var()),
            p=sum(scores.parameters for scores in fits),
            n_samples=min(scores.draws for scores in fits),
            n_data_points=count,
            scale="log",
            warning=False,
            good_k=min(scores.good_khat for scores in fits),
            elpd_i=moved.sel(model=name),
            pareto_k=pointwise["khat"].sel(model=name),
        )
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always", UserWarning)
        table: pd.DataFrame = az.compare(entries, method="stacking", round_to="none")
    caught = [str(warning.message) for warning in record if issubclass(warning.category, UserWarning)]
    table = table.rename(columns={"elpd_diff": "delta", "dse": "delta_se", "p": "parameters"}).rename_axis("model")
    khat = pointwise["khat"].sel(model=table.index.to_numpy())
    table["max_khat"] = khat.max("observation").values
    table["high_khat"] = [
        sum(int((scores.khat > scores.good_khat).sum()) for scores in of_model(scored, name)) for name in table.index
    ]
    table["converged"] = [not any(scores.failures for scores in of_model(scored, name)) for name in table.index]
    columns = ["elpd", "se", "delta", "delta_se", "weight", "max_khat", "high_khat", "parameters", "converged"]
    return table[columns], [Note("limit", "weight", text) for text in caught]


def run_table(group: xr.Dataset, label: str) -> pd.DataFrame:
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


def by_run(pointwise: xr.Dataset, labels: list[str]) -> list[tuple[str, xr.Dataset]]:
    """Scores of each run."""
    return [(label, pointwise.isel(observation=pointwise["run"].values == label)) for label in labels]


def run_converged(scored: Sequence[Scored], model: str, label: str) -> bool:
    """Whether the model's fit to a run may be believed."""
    return not any(scores.failures for scores in of_model(scored, model) if label in scores.run)


def any_converged(scored: Sequence[Scored], model: str) -> bool:
    """Whether some fit of the model may be believed."""
    return any(not scores.failures for scores in of_model(scored, model))


def doubts(scored: Sequence[Scored], table: pd.DataFrame, pointwise: xr.Dataset) -> list[Note]:
    """What speaks against the scores."""
    out = [
        failure._replace(subject=scores.model, text=f"{scores.model} on {scores.title}: {failure.text}")
        for scores in scored
        for failure in scores.failures
    ]
    count = pointwise.sizes["observation"]
    for name, row in table.iterrows():
        if row["high_khat"]:
            limit = min(scores.good_khat for scores in of_model(scored, str(name)))
            text = (
                f"{name}: Pareto k above {limit:.2f} at {row['high_khat']} of {count} rewards (largest "
                f"{row['max_khat']:.2f}): its score may be too high; see which with Comparison.pointwise, or use lfo"
            )
            out.append(Note("limit", str(name), text))
    if count < LEAST_REWARDS:
        text = f"{count} rewards: standard errors from fewer than {LEAST_REWARDS} are too small"
        out.append(Note("limit", "rewards", text))
    return out


def assumptions(scored: Sequence[Scored]) -> list[Note]:
    """What the fits rest on, each once."""
    return list(dict.fromkeys(note for scores in scored for note in scores.assumptions))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, None for what is not a finite number."""

    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and not np.isfinite(value) else value

    rows: Sequence[Mapping[Any, Any]] = frame.to_dict("records")
    return [{str(key): plain(value) for key, value in row.items()} for row in rows]
