"""What a page says about one run, as data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.analysis.posterior.summary import Summary
from bayes_grpo.errors import Note
from bayes_grpo.report.figures import Drawn
from bayes_grpo.report.section import Finding
from bayes_grpo.report.trajectory import Chart


@dataclass(frozen=True)
class RunReport:
    """What a page says about a run; `as_dict` is the part for machines.

    Parameters
    ----------
    label, source : str
        Of the run, as read.
    rewards : int
        How many there are.
    last_step : float
        The last optimizer step that has one.
    recent_reward, recent_rows : float, int
        Mean of the last tenth of the rewards, and how many these are.
    plateau_above : float or None
        Probability that the plateau lies above that mean; None for laws without a plateau.
    hyperparameters : dict
        Known per-run values, under the names of `bayes_grpo.runs.fields.RUN_FIELDS`.
    assumptions, reading_notes : list of Note
        What was assumed for want of them, and what the reader of the log guessed or dropped.
    channels : list of str
        Logged columns.
    summary : dict
        Of the posterior, from `bayes_grpo.summarise`.
    fits : dict
        Sampler diagnostics by model.
    parts : dict
        The answers by section, ready for JSON; None where there is none, and then ``absent`` says why.
    absent : dict
        Why an answer that was asked for is missing.
    extra_notes : list of Note
        Notes of the answers that do not stand in their sections.
    findings : list of Finding
        Sentences, those that ask for attention first.
    methods : tuple
        Paragraphs on methods, and the papers that they cite.
    chart : Chart or None
        The trajectory; None for a report without figures.
    figures : dict
        Figures by section.
    """

    label: str
    source: str
    rewards: int
    last_step: float
    recent_reward: float
    recent_rows: int
    plateau_above: float | None
    hyperparameters: dict[str, float]
    assumptions: list[Note]
    reading_notes: list[Note]
    channels: list[str]
    summary: Summary
    fits: dict[str, dict[str, Any]]
    parts: dict[str, Any]
    absent: dict[str, str]
    extra_notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    methods: tuple[list[str], list[str]] = ((), ())  # type: ignore[assignment]
    chart: Chart | None = None
    figures: dict[str, Drawn] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether all fits did."""
        return all(fit["converged"] for fit in self.fits.values())

    @property
    def notes(self) -> list[Note]:
        """What a reader of the run's numbers should know, each once."""
        return list(dict.fromkeys([*notes_of(self.summary), *self.extra_notes]))

    @property
    def warnings(self) -> list[str]:
        """The notes as sentences."""
        return [str(note) for note in self.notes]

    def notes_but(self, shown: Sequence[Note]) -> list[Note]:
        """The notes that are not among those shown already."""
        return [note for note in self.notes if note not in shown]

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
        return [{"run": self.label} | asdict(finding) for finding in self.findings]
