"""Whether runs can be compared at all: the same scale of rewards, the same reward functions, the same start."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.inference.attributes import assumptions, pooled, quantities, runs_of

#: Runs whose starts differ by more than this share of the range, with this probability, are taken for other tasks.
_START, _SURE = 0.25, 0.99


def check_comparable(configurations: Mapping[str, Sequence[xr.DataTree]], any_start: bool = False) -> None:
    """Refuse runs that have no common scale.

    Raises
    ------
    InputError
        All reasons at once: fits of several runs together, other bounds or scales of the reward, other reward
        functions, starts too far apart for one task.
    """
    fits = [(name, fit) for name, side in configurations.items() for fit in side]
    joint = [str(fit.attrs["run"]) for _, fit in fits if pooled(fit)]
    if joint:
        raise InputError(
            "contrast", f"expected fits of one run each, found {', '.join(joint)}; fit the runs one by one"
        )
    (name, first), *others = fits
    faults = []
    for other_name, other in others:
        if other_name == name:
            continue
        who = f"{first.attrs['run']} ({name}) and {other.attrs['run']} ({other_name})"
        faults += [f"{who}: {fault}" for fault in _faults(first, other, any_start)]
    if faults:
        raise InputError("contrast", faults)


def _faults(first: xr.DataTree, other: xr.DataTree, any_start: bool) -> list[str]:
    scales = [_bounds(fit) for fit in (first, other)]
    if scales[0] != scales[1]:
        words = " and ".join(f"{low:g} to {high:g}" for low, high in scales)
        assumed = any(note.subject == "reward_bounds" for fit in (first, other) for note in assumptions(fit))
        cure = "; state --reward-bounds if these are the same rewards" if assumed else ""
        return [f"expected rewards of one scale, found {words}{cure}"]
    functions = [_functions(fit) for fit in (first, other)]
    if functions[0] and functions[1] and functions[0] != functions[1]:
        words = " and ".join(", ".join(sorted(names)) for names in functions)
        return [f"expected the same reward functions, found {words}: these are different tasks"]
    if any_start:
        return []
    starts = [fit["posterior"].to_dataset()["initial_reward"].values.ravel() for fit in (first, other)]
    count = min(start.size for start in starts)
    apart = np.abs(starts[0][:count] - starts[1][:count]) / (scales[0][1] - scales[0][0])
    if float((apart > _START).mean()) <= _SURE:
        return []
    words = " and ".join(f"{np.median(start):.2g}" for start in starts)
    return [
        f"expected one task, found starts at {words}, too far apart for it; if it is one task from different "
        f"starts, say "
        "so with --any-start"
    ]


def _bounds(fit: xr.DataTree) -> tuple[float, float]:
    known = quantities(fit)
    return known["reward_lower"], known["reward_upper"]


def _functions(fit: xr.DataTree) -> frozenset[str]:
    run = runs_of(fit)
    return frozenset(str(name) for name in run["component"].values) if "component" in run.dims else frozenset()
