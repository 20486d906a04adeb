"""What a check of group-size invariance says, as numbers and in words."""

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.differences import LEAST_NATS, STANDARD_ERRORS
from bayes_grpo.analysis.intervals import INTERVAL, IntervalRow, interval_row
from bayes_grpo.analysis.invariance.statistics import STATISTICS, Check, jointly
from bayes_grpo.analysis.notes import Noted, noted, stored_notes
from bayes_grpo.errors import Note

#: Below this joint p-value group sizes are said to differ.
SIGNIFICANT = 0.05
#: Fewer runs do not give a standard error of their summed scores.
LEAST_RUNS = 4
#: Monte Carlo error of a run's log density above which the density is not to be trusted, nat.
MOST_ERROR = 0.5
#: Width of the prior's 90 % interval of a noise exponent, Normal(1, 0.5).
_EXPONENT_PRIOR = 1.645
#: An exponent is hardly known if its interval is wider than this share of the prior's.
_UNINFORMED = 0.8

_WORDS = {"trajectory": "mean trajectory", "fluctuation": "fluctuation", "autocorrelation": "lag-1 autocorrelation"}


class CheckRow(TypedDict):
    """Posterior-predictive p-value, and how many predictive standard deviations the runs are off."""

    p_value: float
    discrepancy: float


class ExponentRow(IntervalRow):
    """Mean, median and interval."""

    mean: float


class ElpdDifference(TypedDict):
    """Log predictive density with the finite-group factor less without; ``found`` is whether that is clear."""

    nats: float
    standard_error: float | None
    monte_carlo_error: float
    found: bool


class InvarianceSummary(Noted):
    """What `summarise_invariance` says; see there."""

    groups: list[dict[str, Any]]
    trajectory: CheckRow | None
    fluctuation: CheckRow | None
    autocorrelation: CheckRow | None
    finite_groups: dict[str, CheckRow | None]
    exponent: ExponentRow
    sampling_exponent: ExponentRow
    between_prompt_share: ExponentRow
    update_share: ExponentRow
    residual: dict[str, Any]
    elpd_difference: ElpdDifference
    interval: dict[str, Any]
    statement: str
    converged: bool


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
          the finite-group factor.
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
    >>> summary = bayes_grpo.summarise_invariance(bayes_grpo.invariance(runs, hold_out=[4], draws=25, tune=50))
    >>> [row["group_size"] for row in summary["groups"]], summary["elpd_difference"]["standard_error"]
    ([4.0], None)
    """
    checks = {str(law): {name: _joint(result, law, name) for name in STATISTICS} for law in result["law"].values}
    difference = _elpd_difference(result)
    notes = [*stored_notes(result), *_notes(result, difference)]
    return {
        "groups": [_group(result, size) for size in result["group"].values],
        "trajectory": _check_row(checks["leading"]["trajectory"]),
        "fluctuation": _check_row(checks["leading"]["fluctuation"]),
        "autocorrelation": _check_row(checks["leading"]["autocorrelation"]),
        "finite_groups": {name: _check_row(check) for name, check in checks["finite_groups"].items()},
        "exponent": _row(result["temperature_exponent"].values),
        "sampling_exponent": _row(result["observation_exponent"].values),
        "between_prompt_share": _row(result["observation_share"].values),
        "update_share": _row(result["temperature_share"].values),
        "residual": {
            "plateau": {**_row(result["plateau_change"].values), "unit": "reward per doubling of G"},
            "stiffness": {**_row(result["stiffness_exponent"].values), "unit": "exponent of G"},
            "within_group_spread": _within_group_spread(result),
        },
        "elpd_difference": difference,
        "interval": INTERVAL,
        "statement": _statement(checks, difference, result),
        "converged": not any(note.kind == "not_converged" for note in notes),
        **noted(notes),
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


def _elpd_difference(result: xr.Dataset) -> ElpdDifference:
    """Sum over runs, its standard error from their scatter, and whether it is clear."""
    gap = result["elpd"].sel(law="finite_groups") - result["elpd"].sel(law="leading")
    monte_carlo = float(np.sqrt((result["elpd_error"] ** 2).sum()))
    nats = float(gap.sum())
    error = float(np.sqrt(gap.size) * gap.std(ddof=1)) if gap.size >= LEAST_RUNS else None
    clear = error is not None and abs(nats) >= LEAST_NATS and abs(nats) > STANDARD_ERRORS * np.hypot(error, monte_carlo)
    return {"nats": nats, "standard_error": error, "monte_carlo_error": monte_carlo, "found": bool(clear)}


def _statement(checks: Mapping[str, Mapping[str, Check | None]], difference: ElpdDifference, result: xr.Dataset) -> str:
    """The result in words, which claim no more than the checks."""
    sentences = []
    for law, lead in (("leading", "Without"), ("finite_groups", "With")):
        off = [
            f"{_WORDS[name]} (p = {check.p_value:.2g})"
            for name, check in checks[law].items()
            if check is not None and check.p_value < SIGNIFICANT
        ]
        if off:
            sentences.append(
                f"{lead} the finite-group factor some group sizes are not what the others predict: {', '.join(off)}."
            )
        else:
            sentences.append(f"{lead} the finite-group factor every group size is within what the others predict.")
    if difference["found"]:
        better = "better" if difference["nats"] > 0 else "worse"
        sentences.append(f"The factor predicts {better} by {abs(difference['nats']):.1f} nats.")
    else:
        sentences.append("The two cannot be told apart by how well they predict.")
    for name, words in (("plateau_change", "plateau"), ("stiffness_exponent", "stiffness")):
        row = _row(result[name].values)
        if row["lower"] is not None and row["lower"] > 0:
            sentences.append(f"The {words} rises with the group size.")
        elif row["upper"] is not None and row["upper"] < 0:
            sentences.append(f"The {words} falls with the group size.")
    return " ".join(sentences)


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
