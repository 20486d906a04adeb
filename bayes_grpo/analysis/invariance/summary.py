"""What `bayes_grpo.invariance` found, as numbers and in words."""

from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.differences import LEAST_NATS, STANDARD_ERRORS
from bayes_grpo.analysis.intervals import INTERVAL, interval_row
from bayes_grpo.analysis.invariance.statistics import STATISTICS, Check, jointly

#: Below this joint p-value group sizes are said to differ.
SIGNIFICANT = 0.05
#: Fewer runs do not give a standard error of their summed scores.
LEAST_RUNS = 4
#: Monte Carlo error of a run's log density above which the density is not to be trusted, nat.
MOST_ERROR = 0.5
#: Width of the prior's 90 % interval of a noise exponent, Normal(1, 0.5).
_EXPONENT_PRIOR = 1.645

_WORDS = {"trajectory": "mean trajectory", "fluctuation": "fluctuation", "autocorrelation": "lag-1 autocorrelation"}


def summarise_invariance(found: xr.Dataset) -> dict[str, Any]:
    """Summary of `bayes_grpo.analysis.invariance.invariance.invariance` as one JSON-ready object.

    Returns
    -------
    dict
        ``groups`` (a row a group size and what each law says of it), ``trajectory``, ``fluctuation`` and ``autocorrelation`` (of
        the leading order; smallest p-value of the group sizes times their number, largest discrepancy), ``finite_groups`` (the same
        of the law with the finite-group factor), ``exponent`` (a in noise ~ G^-a: of the update's noise, ``sampling_exponent`` of
        the logged means'), ``between_prompt_share`` (rho) and ``update_share``, ``residual``, ``elpd_difference`` (with the
        finite-group factor less without), ``statement``, ``warnings``, ``converged``. None is what cannot be said.
    """
    checks = {law: {name: _joint(found, law, name) for name in STATISTICS} for law in found["law"].values}
    failures = [line for line in found.attrs["failures"].split("\n") if line]
    difference = _elpd_difference(found)
    return {
        "groups": [_group(found, size) for size in found["group"].values],
        **{name: _row(check) for name, check in checks["leading"].items()},
        "finite_groups": {name: _row(check) for name, check in checks["finite_groups"].items()},
        "exponent": _interval(found["temperature_exponent"].values),
        "sampling_exponent": _interval(found["observation_exponent"].values),
        "between_prompt_share": _interval(found["observation_share"].values),
        "update_share": _interval(found["temperature_share"].values),
        "residual": {
            "plateau": _interval(found["plateau_change"].values) | {"unit": "reward per doubling of G"},
            "stiffness": _interval(found["stiffness_exponent"].values) | {"unit": "exponent of G"},
            "within_group_spread": _spread(found),
        },
        "elpd_difference": difference,
        "interval": INTERVAL,
        "statement": _statement(checks, difference, found),
        "warnings": [f"NOT CONVERGED: {text}" for text in failures] + _warnings(found, difference),
        "converged": not failures,
    }


def _joint(found: xr.Dataset, law: str, statistic: str) -> Check | None:
    own = found[["p_value", "discrepancy"]].sel(law=law, statistic=statistic)
    there = np.isfinite(own["p_value"].values)
    pairs = zip(own["p_value"].values[there], own["discrepancy"].values[there], strict=True)
    checks = [Check(float(p), float(d)) for p, d in pairs]
    return jointly(checks) if checks else None


def _row(check: Check | None) -> dict[str, float] | None:
    return None if check is None else check._asdict()


def _group(found: xr.Dataset, size: float) -> dict[str, Any]:
    mine = found["group_size"].values == size
    out: dict[str, Any] = {"group_size": float(size), "runs": int(mine.sum())}
    for law in found["law"].values:
        own = found.sel(law=law, group=size)
        rows: dict[str, Any] = {}
        for name in STATISTICS:
            p_value, discrepancy = (float(own[key].sel(statistic=name)) for key in ("p_value", "discrepancy"))
            rows[name] = {"p_value": p_value, "discrepancy": discrepancy} if np.isfinite(p_value) else None
        out[str(law)] = rows | {"elpd": float(own["elpd"].values[mine].sum())}
    return out


def _interval(values: np.ndarray) -> dict[str, Any]:
    return {"mean": float(values.mean()), **interval_row(values)}


def _spread(found: xr.Dataset) -> dict[str, Any] | None:
    """Against sqrt(p (1 - p)), which a root mean variance has, and against the mean deviation of finite groups."""
    rows = {}
    for law in ("finite_groups", "leading"):
        own = found["spread_exponent"].sel(law=law)
        if not np.isfinite(own).all():
            return None
        rows[law] = {str(bound): float(own.sel(bound=bound)) for bound in own["bound"].values}
    return rows["leading"] | {"finite_groups": rows["finite_groups"], "unit": "exponent of G"}


def _elpd_difference(found: xr.Dataset) -> dict[str, Any]:
    """Sum over runs, its standard error from their scatter, and whether it counts as found."""
    gap = found["elpd"].sel(law="finite_groups") - found["elpd"].sel(law="leading")
    error = float(np.sqrt((found["elpd_error"] ** 2).sum()))
    nats = float(gap.sum())
    spread = float(np.sqrt(gap.size) * gap.std(ddof=1)) if gap.size >= LEAST_RUNS else None
    clear = spread is not None and abs(nats) >= LEAST_NATS and abs(nats) > STANDARD_ERRORS * np.hypot(spread, error)
    return {"nats": nats, "standard_error": spread, "monte_carlo_error": error, "found": bool(clear)}


def _statement(checks: dict[str, dict[str, Check | None]], difference: dict[str, Any], found: xr.Dataset) -> str:
    """What was found, in words that claim no more."""
    said = []
    for law, lead in (("leading", "Without"), ("finite_groups", "With")):
        off = [name for name in STATISTICS if (c := checks[law][name]) is not None and c.p_value < SIGNIFICANT]
        if off:
            listed = ", ".join(f"{_WORDS[name]} (p = {checks[law][name].p_value:.2g})" for name in off)  # type: ignore[union-attr]
            said.append(f"{lead} the finite-group factor some group sizes are not what the others predict: {listed}.")
        else:
            said.append(f"{lead} the finite-group factor every group size is within what the others predict.")
    if difference["found"]:
        better = "better" if difference["nats"] > 0 else "worse"
        said.append(f"The factor predicts {better} by {abs(difference['nats']):.1f} nats.")
    else:
        said.append("The two cannot be told apart by how well they predict.")
    for name, words in (("plateau_change", "plateau"), ("stiffness_exponent", "stiffness")):
        row = _interval(found[name].values)
        if row["lower"] > 0 or row["upper"] < 0:
            said.append(f"The {words} {'rises' if row['mean'] > 0 else 'falls'} with the group size.")
    return " ".join(said)


def _warnings(found: xr.Dataset, difference: dict[str, Any]) -> list[str]:
    out = [line for line in found.attrs["warnings"].split("\n") if line]
    for name, words in (("temperature_exponent", "the update's noise"), ("observation_exponent", "the logged means")):
        row = _interval(found[name].values)
        if row["upper"] - row["lower"] > 0.8 * _EXPONENT_PRIOR:
            out.append(f"the exponent of {words} is hardly known: its interval is nearly as wide as the prior's")
    if difference["standard_error"] is None:
        out.append(f"fewer than {LEAST_RUNS} runs: no standard error of the elpd difference")
    rough = (found["elpd_error"] > MOST_ERROR).any("law")
    if bool(rough.any()):
        out.append(
            f"the predictive density of {int(rough.sum())} of {rough.size} runs is known to within {MOST_ERROR:g} nats at best: it "
            "rests on few draws (runs far from what the others predict); the p-values do not"
        )
    return out
