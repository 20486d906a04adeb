"""How far plateaus lie from the balance law, and whether the doubt that one task teaches covers the other's settings.

The law is taken as a user of `bayes-grpo threshold` has it: one success probability, the reward of the reference
stated, the clip ratio that the run itself logged. `bayes_grpo.analysis.stability.law_error` has two standard deviations
of the logit of success: of plateaus about the law, and of what remains between refresh intervals of one family of
settings. Here both are estimated from some settings and judged on settings that were left out: each task by the other,
each sweep or family by all others.
"""

import csv
import itertools
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayes_grpo.laws.balance import fixed_point
from case_studies.trl_lab import tasks
from case_studies.trl_lab.compare import FOLDER, by_name
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.sweeps import SWEEPS

#: Settings that the law is not for: frozen gradients, batches without clipping (they are overfitted), no KL term (the
#: plateau is a bound, whatever the law), starts that are not uniform.
LEFT_OUT = ("frozen", "pull", "start")
LEVEL = 1.645  # half width of a 90 % interval, standard deviations


class Setting(NamedTuple):
    """A setting's sweep and name, and its plateau's logit of success less the law's, with the standard error."""

    sweep: str
    name: str
    off: float
    error: float


def reference(trial: Trial) -> float:
    """Share of the best reward that the uniform start earns."""
    scores = [sum(scores.values()) / len(tasks.WORDS) for scores in tasks.TASKS[trial.task].values()]
    return float(np.mean(scores))


def settings() -> list[Setting]:
    """The settings of both tasks that the law is for."""
    out = []
    for sweep, trials in SWEEPS.items():
        if sweep in ("first", *LEFT_OUT):
            continue
        table = by_name(FOLDER / "compared" / f"{sweep}.csv")
        for trial in trials:
            name = trial.name.replace("-seed0", "")
            if trial.clip > 1 or (sweep != "reuse" and name in by_name(FOLDER / "compared" / "reuse.csv")):
                continue
            row = table[name]
            p = (float(row["trl"]) - trial.error) / (1 - 2 * trial.error)
            law = fixed_point(
                trial.kl, trial.group_size, reference(trial), trial.error, 1 - trial.error, float(row["clipped"])
            )
            off = np.log(p / (1 - p)) - np.log(law / (1 - law))
            error = float(row["se"]) / (1 - 2 * trial.error) / (p * (1 - p))
            out.append(Setting(sweep, name, float(off), error))
    return out


def spread(some: list[Setting]) -> float:
    """Root mean square of how far settings are off, less what the error of the measured plateaus adds."""
    return float(np.sqrt(max(np.mean([s.off**2 - s.error**2 for s in some]), 0.0)))


def held(some: list[Setting], deviation: float) -> int:
    """How many settings lie within 90 % intervals of this standard deviation, widened by the errors of measurement."""
    return sum(abs(s.off) <= LEVEL * float(np.hypot(deviation, s.error)) for s in some)


def pairs(every: list[Setting]) -> dict[str, list[Setting]]:
    """Differences between refresh intervals of settings that differ in nothing else, by their family."""
    families: dict[str, list[Setting]] = {}
    for setting in every:
        families.setdefault(re.sub(r"-K\d+|-n\d+", "", setting.name), []).append(setting)
    return {
        family: [
            Setting(a.sweep, family, b.off - a.off, float(np.hypot(a.error, b.error)))
            for a, b in itertools.combinations(some, 2)
        ]
        for family, some in families.items()
        if len(some) > 1 and len({re.search(r"-K(\d+)", s.name)[1] for s in some}) == len(some)
    }


def judged(kind: str, groups: dict[str, list[Setting]], tasks_of: dict[str, list[Setting]]) -> list[dict[str, Any]]:
    """A row a choice: what it was chosen on, the deviation chosen, and how much it holds of what was left out."""
    first, second = tasks_of["first task"], tasks_of["second task"]
    choices = [("first task", first, "second task", second), ("second task", second, "first task", first)]
    for name, left in groups.items():
        others = [s for other, some in groups.items() if other != name for s in some]
        choices.append((f"all without {name}", others, name, left))
    return [
        {
            "kind": kind,
            "chosen_on": by,
            "settings": len(some),
            "deviation": spread(some),
            "judged_on": on,
            "held": held(left, spread(some)),
            "of": len(left),
        }
        for by, some, on, left in choices
    ]


def by_task(some: list[Setting]) -> dict[str, list[Setting]]:
    """The first task's and the second's."""
    return {
        "first task": [s for s in some if s.sweep != "graded"],
        "second task": [s for s in some if s.sweep == "graded"],
    }


def main() -> None:
    every = settings()
    for setting in every:
        print(f"{setting.sweep:8s} {setting.name:70s} {setting.off:+.3f} ({setting.error:.3f})")
    sweeps = {sweep: [s for s in every if s.sweep == sweep] for sweep in dict.fromkeys(s.sweep for s in every)}
    families = pairs(every)
    between = [pair for some in families.values() for pair in some]
    rows = judged("law", sweeps, by_task(every)) + judged("between K", families, by_task(between))
    with (Path(FOLDER) / "compared" / "law_error.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({k: f"{v:.3g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    print((FOLDER / "compared" / "law_error.csv").read_text())
    print(f"all {len(every)}: {spread(every):.3f}; {len(between)} pairs: {spread(between):.3f}")


if __name__ == "__main__":
    main()
