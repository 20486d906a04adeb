"""What a page says about one run, as data."""

from dataclasses import asdict, dataclass, field
from typing import Any

from bayes_grpo.report.figures import Drawn
from bayes_grpo.report.findings import Finding
from bayes_grpo.report.trajectory import Chart


@dataclass(frozen=True)
class RunReport:
    """What a page says about a run; `as_dict` is the part for machines.

    Parameters
    ----------
    label, source
        As read.
    rewards, last_step
        How many rewards, and the last step that has one.
    hyperparameters : dict
        Known per-run values, under the names of `bayes_grpo.runs.fields.RUN_FIELDS`.
    assumptions, notes : list of str
        What was assumed for want of them, and what reading the log took for granted.
    channels : list of str
        Logged columns.
    summary : dict
        Of the posterior, from `bayes_grpo.summarise`; ``prior`` has the prior's intervals.
    fits : dict
        Sampler diagnostics by model.
    parts : dict
        Summaries under forecast, oscillation, threshold, diagnosis, comparison; None where there is none, and then ``absent``
        says why.
    """

    label: str
    source: str
    rewards: int
    last_step: float
    hyperparameters: dict[str, float]
    assumptions: list[str]
    notes: list[str]
    channels: list[str]
    summary: dict[str, Any]
    prior: dict[str, dict[str, float]]
    fits: dict[str, dict[str, Any]]
    parts: dict[str, dict[str, Any] | None]
    absent: dict[str, str]
    findings: list[Finding]
    methods: tuple[list[str], list[str]]
    chart: Chart | None = None
    figures: dict[str, Drawn] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether all fits did."""
        return all(fit["converged"] for fit in self.fits.values())

    @property
    def warnings(self) -> list[str]:
        """What speaks against the run's numbers, each once."""
        ahead = (self.parts["forecast"] or {}).get("warnings", [])
        return list(
            dict.fromkeys([*self.summary["warnings"], *ahead, *(self.parts["diagnosis"] or {}).get("warnings", [])])
        )

    def as_dict(self) -> dict[str, Any]:
        """The run as one JSON-ready object: numbers, without figures and findings."""
        return {
            "run": self.label,
            "source": self.source,
            "rewards": self.rewards,
            "last_step": self.last_step,
            "model": self.summary["model"],
            "parameters": self.summary["parameters"],
            "probabilities": self.summary["probabilities"],
            "converged": self.converged,
            "diagnostics": self.fits,
            **self.parts,
            "absent": self.absent,
        }

    def findings_as_dicts(self) -> list[dict[str, Any]]:
        """The findings with the run's label."""
        return [{"run": self.label} | asdict(one) for one in self.findings]
