"""How noise, plateau, stiffness and the spread within groups depend on the group size, from all runs."""

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB
from bayes_grpo.analysis.invariance import statistics
from bayes_grpo.analysis.invariance.fits import Shared
from bayes_grpo.inference.draws import flatten
from bayes_grpo.inference.layout import Prepared

#: Posterior draws that are kept.
DRAWS = 1000

#: Models of all runs, and what of their posteriors is reported.
REPORTED = {
    "group_dependence": (
        "temperature_exponent",
        "observation_exponent",
        "plateau_location",
        "plateau_by_group_size",
        "stiffness_by_group_size",
    ),
    "split_noise": ("temperature_share", "observation_share"),
}


def posterior(name: str, shared: Shared, prepared: Prepared) -> xr.Dataset:
    """What a fit to all runs says of the dependence on the group size, dim sample."""
    drawn = flatten(shared.values)
    even = np.linspace(0, next(iter(drawn.values())).size - 1, DRAWS).round().astype(int)
    flat = {key: value[even] for key, value in drawn.items()}
    if name == "split_noise":
        keys = {"temperature_share": "1", "observation_share": "1"}
        return xr.Dataset({key: ("sample", flat[key], {"units": unit}) for key, unit in keys.items()})
    lower, width = (prepared.settings[0].values[key] for key in ("reward_lower", "reward_range"))
    place = (flat["plateau_location"] - lower) / width
    doubled = 1 / (1 + (1 - place) / place * 2 ** -flat["plateau_by_group_size"])
    return xr.Dataset(
        {
            "temperature_exponent": ("sample", flat["temperature_exponent"], {"units": "1"}),
            "observation_exponent": ("sample", flat["observation_exponent"], {"units": "1"}),
            "plateau_change": ("sample", (doubled - place) * width, {"units": "reward"}),
            "stiffness_exponent": ("sample", flat["stiffness_by_group_size"], {"units": "1"}),
        }
    )


def within_group_exponents(prepared: Prepared, sizes: np.ndarray) -> xr.DataArray:
    """Exponent of G in the within-group spread for each law; NaN where the spread is not logged, or by too few runs."""
    deviation, success = np.full(sizes.size, np.nan), np.full(sizes.size, np.nan)
    for i, (run, setting) in enumerate(zip(prepared.runs, prepared.settings, strict=True)):
        if logs_spread(run):
            later = run.isel(step=slice(run.sizes["step"] // 2, None))
            width = setting.values["reward_range"]
            deviation[i] = float(later["reward_spread"].mean()) / width
            success[i] = (float(later["reward"].mean()) - setting.values["reward_lower"]) / width
    laws = ["leading", "finite_groups"]
    values = np.full((len(laws), 3), np.nan)
    for row, law in enumerate(laws):
        finite = law == "finite_groups"
        exponent = statistics.within_group_exponent(deviation, success, sizes, finite=finite, prob=INTERVAL_PROB)
        values[row] = np.nan if exponent is None else exponent
    return xr.DataArray(values, dims=("law", "bound"), coords={"law": laws, "bound": ["mean", "lower", "upper"]})


def logs_spread(run: xr.Dataset) -> bool:
    """Whether a run, or some of several, logs the spread within groups."""
    return "reward_spread" in run and run["reward_spread"].attrs.get("spread") == "within_group"
