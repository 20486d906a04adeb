"""What a check of group-size invariance says, as numbers and in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.differences import LEAST_NATS, STANDARD_ERRORS
from bayes_grpo.analysis.intervals import INTERVAL, interval_row
from bayes_grpo.analysis.invariance.rows import BalanceRow, CheckRow, ElpdDifference, ExponentRow, InvarianceSummary
from bayes_grpo.analysis.invariance.statistics import STATISTICS, Check, jointly
from bayes_grpo.analysis.invariance.words import statement
from bayes_grpo.analysis.notes import noted, stored_notes
from bayes_grpo.errors import Note

#: Fewer runs do not give a standard error of their summed scores.
LEAST_RUNS = 4
#: Monte Carlo error of a run's log density above which the density is not to be trusted, nat.
MOST_ERROR = 0.5
#: Width of the prior's 90 % interval of a noise exponent, Normal(1, 0.5).
_EXPONENT_PRIOR = 1.645
#: An exponent is hardly known if its interval is wider than this share of the prior's.
_UNINFORMED = 0.8


def summarise_invariance(result: xr.Dataset, fit: xr.DataTree | None = None) -> InvarianceSummary:
    """Summary of a check of group-size invariance, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.invariance`.
    fit : xarray.DataTree, optional
        Not used, for the check makes its own fits; accepted so that all summaries are called alike.

    Returns
    -------
    dict
        None is what cannot be said.

        - ``groups``: a row a group size: ``group_size``, ``runs``, and for each law the three checks and ``elpd``
          (nat).
        - ``trajectory``, ``fluctuation``, ``autocorrelation``: ``p_value`` and ``discrepancy`` of the leading order
          over all group
          sizes: smallest p-value times their number, largest discrepancy. ``finite_groups``: the same of the law with
          the finite-group factor. ``balance``: the same of the balance law, with its ``elpd_difference`` from the
          leading order; None where it was left out, because rewards do not lie between 0 and 1.
        - ``exponent``, ``sampling_exponent``: a in noise ~ G^-a, of the update's noise and of the logged means'.
        - ``between_prompt_share``, ``update_share``: rho, the share of either noise that lies between prompts.
        - ``residual``: how ``plateau``, ``stiffness`` and ``within_group_spread`` depend on the group size, with
          ``unit``.
        - ``elpd_difference``: with the finite-group factor less without: ``nats``, ``standard_error``,
          ``monte_carlo_error``, and ``found``, whether it is clear.
        - ``statement``: the result in words.
        - ``interval``: probability and kind of the intervals.
        - ``converged``: whether all fits did.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> from bayes_grpo.bandit import Bandit, simulate
    >>> runs = [simulate(Bandit(group_size=size, steps=40), [0]) for size in (4, 16)]
    >>> runs = bayes_grpo.combine([run.assign_coords(run=[f"G{run['group_size'].item():g}"]) for run in runs])
    >>> check = bayes_grpo.invariance(runs, hold_out=[4], method="nuts", draws=25, tune=50, keep="fits")
    >>> summary = bayes_grpo.summarise_invariance(check)
    >>> [row["group_size"] for row in summary["groups"]], summary["elpd_difference"]["standard_error"]
    ([4.0], None)
    """
    checks = {str(law): {name: _joint(result, law, name) for name in STATISTICS} for law in result["law"].values}
    difference = _elpd_difference(result, "finite_groups")
    balance = _balance(result, checks)
    changes = {"plateau": _row(result["plateau_change"].values), "stiffness": _row(result["stiffness_exponent"].values)}
    notes = [*stored_notes(result), *_notes(result, difference)]
    doubtful = [note.subject for note in notes if note.kind == "not_converged"]
    return {
        "groups": [_group(result, size) for size in result["group"].values],
        "trajectory": _check_row(checks["leading"]["trajectory"]),
        "fluctuation": _check_row(checks["leading"]["fluctuation"]),
        "autocorrelation": _check_row(checks["leading"]["autocorrelation"]),
        "finite_groups": {name: _check_row(check) for name, check in checks["finite_groups"].items()},
        "balance": balance,
        "exponent": _row(result["temperature_exponent"].values),
        "sampling_exponent": _row(result["observation_exponent"].values),
        "between_prompt_share": _row(result["observation_share"].values),
        "update_share": _row(result["temperature_share"].values),
        "residual": {
            "plateau": {**changes["plateau"], "unit": "reward per doubling of G"},
            "stiffness": {**changes["stiffness"], "unit": "exponent of G"},
            "within_group_spread": _within_group_spread(result),
        },
        "elpd_difference": difference,
        "interval": INTERVAL,
        "statement": statement(checks, difference, balance, changes, doubtful),
        "converged": not any(note.kind == "not_converged" for note in notes),
        **noted(notes),
    }


def _balance(result: xr.Dataset, checks: Mapping[str, Mapping[str, Check | None]]) -> BalanceRow | None:
    if "balance" not in checks:
        return None
    rows = {name: _check_row(check) for name, check in checks["balance"].items()}
    return {
        "trajectory": rows["trajectory"],
        "fluctuation": rows["fluctuation"],
        "autocorrelation": rows["autocorrelation"],
        "elpd_difference": _elpd_difference(result, "balance"),
    }


def _joint(result: xr.Dataset, law: str, statistic: str) -> Check | None:
    """A statistic over all group sizes that have it."""
    p_values, discrepancies = (
        result[name].sel(law=law, statistic=statistic).values for name in ("p_value", "discrepancy")
    )
    known = np.isfinite(p_values)
    pairs = zip(p_values[known], discrepancies[known], strict=True)
    checks = [Check(float(p_value), float(discrepancy)) for p_value, discrepancy in pairs]
    return jointly(checks) if checks else None


def _check_row(check: Check | None) -> CheckRow | None:
    return None if check is None else {"p_value": check.p_value, "discrepancy": check.discrepancy}


def _group(result: xr.Dataset, size: float) -> dict[str, Any]:
    """What each law says of the runs of one group size."""
    of_size = result["group_size"].values == size
    out: dict[str, Any] = {"group_size": float(size), "runs": int(of_size.sum())}
    for law in result["law"].values:
        check = result.sel(law=law, group=size)
        rows: dict[str, Any] = {}
        for name in STATISTICS:
            p_value, discrepancy = (float(check[key].sel(statistic=name)) for key in ("p_value", "discrepancy"))
            rows[name] = {"p_value": p_value, "discrepancy": discrepancy} if np.isfinite(p_value) else None
        out[str(law)] = rows | {"elpd": float(check["elpd"].values[of_size].sum())}
    return out


def _row(values: np.ndarray) -> ExponentRow:
    return {"mean": float(values.mean()), **interval_row(values)}


def _within_group_spread(result: xr.Dataset) -> dict[str, Any] | None:
    """Against sqrt(p (1 - p)), which a root mean variance has, and against the mean deviation of finite groups."""
    rows = {}
    for law in ("finite_groups", "leading"):
        exponent = result["spread_exponent"].sel(law=law)
        if not np.isfinite(exponent).all():
            return None
        rows[law] = {str(bound): float(exponent.sel(bound=bound)) for bound in exponent["bound"].values}
        rows[law]["median"] = rows[law]["mean"]  # Student's t is symmetric
    return rows["leading"] | {"finite_groups": rows["finite_groups"], "unit": "exponent of G"}


def _elpd_difference(result: xr.Dataset, law: str) -> ElpdDifference:
    """A law less the leading order: sum over runs, its standard error from their scatter, and whether it is clear."""
    pair = result[["elpd", "elpd_error"]].sel(law=[law, "leading"])
    gap = pair["elpd"].sel(law=law) - pair["elpd"].sel(law="leading")
    monte_carlo = float(np.sqrt((pair["elpd_error"] ** 2).sum()))
    nats = float(gap.sum())
    error = float(np.sqrt(gap.size) * gap.std(ddof=1)) if gap.size >= LEAST_RUNS else None
    clear = error is not None and abs(nats) >= LEAST_NATS and abs(nats) > STANDARD_ERRORS * np.hypot(error, monte_carlo)
    return {"nats": nats, "standard_error": error, "monte_carlo_error": monte_carlo, "found": bool(clear)}


def _notes(result: xr.Dataset, difference: ElpdDifference) -> list[Note]:
    notes = []
    for name, words in (("temperature_exponent", "the update's noise"), ("observation_exponent", "the logged means")):
        row = interval_row(result[name].values)
        if row["upper"] is None or row["lower"] is None or row["upper"] - row["lower"] > _UNINFORMED * _EXPONENT_PRIOR:
            text = f"the exponent of {words} is hardly known: its interval is nearly as wide as the prior's"
            notes.append(Note("little_learned", name, text))
    if difference["standard_error"] is None:
        text = f"fewer than {LEAST_RUNS} runs: no standard error of the elpd difference"
        notes.append(Note("limit", "elpd_difference", text))
    rough = (result["elpd_error"] > MOST_ERROR).any("law")
    if bool(rough.any()):
        text = (
            f"the predictive density of {int(rough.sum())} of {rough.size} runs is known to within {MOST_ERROR:g} nats "
            "at best: it rests on few draws (runs far from what the others predict); the p-values do not"
        )
        notes.append(Note("limit", "elpd", text))
    return notes
