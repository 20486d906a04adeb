"""The tables of a run's section, as rows of text."""

from typing import Any

from bayes_grpo.inference.convergence import MAX_RHAT, MIN_BFMI, MIN_ESS
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.words import chance, interval, number

LIMITS = f"R-hat at most {MAX_RHAT}, effective sample sizes (ESS) at least {MIN_ESS:.0f}, no divergences, E-BFMI at least {MIN_BFMI}"
#: Log Bayes factors smaller than this are not shown.
_WORTH_SAYING = 1.0

Rows = list[tuple[str, ...]]


def table_rows(run: RunReport) -> dict[str, Rows]:
    """Rows of every table, by name; empty where there is nothing to show."""
    parts = run.parts
    return {
        "parameter_rows": _parameters(run),
        "forecast_rows": _forecast(parts["forecast"]),
        "regime_rows": _regime(parts["oscillation"]),
        "threshold_rows": _threshold(parts["threshold"]),
        "comparison_rows": _comparison(parts["comparison"]),
        "diagnosis_rows": _diagnosis(parts["diagnosis"]),
        "sampler_rows": _sampler(run.fits),
    }


def words(name: Any) -> str:
    """A name from the code as words."""
    return str(name).replace("_", " ")


def _parameters(run: RunReport) -> Rows:
    out: Rows = []
    for name, row in run.summary["parameters"].items():
        if row.get("fixed"):
            out.append((words(name), number(row["mean"]), "fixed", "-", "-", "-", "-", row["unit"]))
            continue
        prior = run.prior.get(name)
        share = "-" if prior is None else f"{prior['share']:.0%}"
        rhat = "-" if row["rhat"] is None else f"{row['rhat']:.3f}"
        ess = "-" if row["ess_bulk"] is None else f"{row['ess_bulk']:.0f}"
        out.append((words(name), number(row["mean"]), interval(row), interval(prior), share, rhat, ess, row["unit"]))
    return out


def _forecast(said: dict[str, Any] | None) -> Rows:
    if said is None:
        return []
    end = {name: values[-1] for name, values in said["mean"].items()}
    told = [
        (f"expected reward at step {said['until']:g}", end),
        (f"one logged reward at step {said['until']:g}", {name: values[-1] for name, values in said["logged"].items()}),
        ("gain in the next 100 steps", said["gain_per_100_steps"]),
        ("gain forgone by stopping now", said["recommendation"]["gain_forgone_by_stopping_now"]),
        ("step with 95 % of the gain", said["step_95"]),
    ]
    later = f"beyond {said['until']:g}"
    out: Rows = [(name, number(row["median"]), interval(row)) for name, row in told[:-1]]
    last = told[-1][1]
    if last["probability_reached"] is not None:
        out.append((told[-1][0], number(last["median"]) if last["median"] else later, interval(last, unknown=later)))
    return out


def _regime(said: dict[str, Any] | None) -> Rows:
    if said is None:
        return []
    rows: Rows = [
        (f"P({name})", chance(said[key]), "")
        for name, key in (("rings", "probability_underdamped"), ("runs away", "probability_unstable"))
    ]
    named = {
        "damping_ratio": "damping ratio (below 1 it rings)",
        "period": "period where it rings (step)",
        "overshoot": "overshoot where it rings",
        "learning_rate_factor": "learning rate at the onset of ringing, over today's",
        "onset_momentum": "momentum above which it rings",
    }
    for key, name in named.items():
        if said[key] is not None:
            rows.append((name, number(said[key]["median"]), interval(said[key])))
    return rows


def _threshold(said: dict[str, Any] | None) -> Rows:
    if said is None:
        return []
    named = {
        "leading": "refresh, leading order",
        "exact": "refresh, exact",
        "frozen": "refresh, all lag counts",
        "delay": "constant delay, exact",
    }
    out: Rows = []
    for key, name in named.items():
        row = said["threshold"][key]
        median = "none" if row["median"] is None else number(row["median"])
        out.append((name, median, interval(row, unknown="none"), chance(row["probability_none"])))
    if said["probability_unstable"] is not None:
        at = said["refresh_interval"]
        out.append((f"P(unstable) at this run's K = {at:g}", chance(said["probability_unstable"]), "", ""))
    return out


def _comparison(said: dict[str, Any] | None) -> Rows:
    if said is None:
        return []
    return [
        (
            row["model"] + ("" if row["converged"] else " (not converged)"),
            *("-" if row[key] is None else f"{row[key]:.1f}" for key in ("elpd", "se", "delta", "delta_se")),
            *("-" if row[key] is None else f"{row[key]:.2f}" for key in ("weight", "max_khat")),
        )
        for row in said["table"]
    ]


def _diagnosis(said: dict[str, Any] | None) -> Rows:
    if said is None:
        return []
    out: Rows = []
    for name, p in said["probabilities"].items():
        terms = sorted(((row[name], c) for c, row in said["evidence"].items() if name in row), reverse=True)
        strong = [f"{words(channel)} {value:+.1f}" for value, channel in terms if abs(value) >= _WORTH_SAYING]
        told = name in ("healthy", "undetermined") or any(name in row for row in said["evidence"].values())
        out.append((words(name), f"{p:.3f}" if told else "cannot be told", ", ".join(strong)))
    return out


def _sampler(fits: dict[str, dict[str, Any]]) -> Rows:
    return [
        (
            name,
            "-" if one["max_rhat"] is None else f"{one['max_rhat']:.3f}",
            *("-" if one[key] is None else f"{one[key]:.0f}" for key in ("min_ess_bulk", "min_ess_tail")),
            str(one["divergences"]),
            number(one["min_bfmi"]),
            number(one["seconds"]),
            "yes" if one["converged"] else "NO",
        )
        for name, one in fits.items()
    ]
