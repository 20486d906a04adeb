"""Scores of fits side by side: what `bayes_grpo.analysis.comparison.compare` puts together."""

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


def side_by_side(models: list[str], label: str, scored: Sequence[Scored]) -> xr.Dataset:
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


def model_table(pointwise: xr.Dataset, models: list[str], scored: Sequence[Scored], caught: list[str]) -> pd.DataFrame:
    """Scores summed over all runs, best first, by `arviz_stats.compare`; its warnings are added to ``caught``."""
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
    return not any(one.failures for one in scored if one.model == model and label in one.run)


def any_converged(scored: Sequence[Scored], model: str) -> bool:
    """Whether some fit of the model may be believed."""
    return any(not one.failures for one in scored if one.model == model)


def doubts(scored: Sequence[Scored], table: pd.DataFrame, pointwise: xr.Dataset) -> list[str]:
    """What speaks against the scores, one sentence each."""
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


def assumptions(scored: Sequence[Scored]) -> list[str]:
    """What the fits rest on, each once."""
    return list(dict.fromkeys(text for one in scored for text in one.assumptions))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, None for what is not a finite number."""

    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and not np.isfinite(value) else value

    rows: Sequence[Mapping[Any, Any]] = frame.to_dict("records")
    return [{str(key): plain(value) for key, value in row.items()} for row in rows]
