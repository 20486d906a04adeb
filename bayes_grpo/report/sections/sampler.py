"""Sampler diagnostics: may the fits be believed?"""

from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.inference.convergence import MAX_RHAT, MIN_BFMI, MIN_ESS
from bayes_grpo.report.run_report import RunReport
from bayes_grpo.report.section import Block, Finding, Grid, Paragraph, Section
from bayes_grpo.report.words import number

_LIMITS = (
    f"R-hat at most {MAX_RHAT}, effective sample sizes (ESS) at least {MIN_ESS:.0f}, no divergences, E-BFMI at least "
    f"{MIN_BFMI}"
)
_HEADS = ("fit", "R-hat", "ESS bulk", "ESS tail", "divergences", "E-BFMI", "seconds", "converged")


def _blocks(run: RunReport) -> list[Block]:
    rows: list[tuple[str, ...]] = [
        (
            name,
            "-" if worst["max_rhat"] is None else f"{worst['max_rhat']:.3f}",
            *("-" if worst[key] is None else f"{worst[key]:.0f}" for key in ("min_ess_bulk", "min_ess_tail")),
            str(worst["divergences"]),
            number(worst["min_bfmi"]),
            number(worst["seconds"]),
            "yes" if worst["converged"] else "NO",
        )
        for name, worst in run.fits.items()
    ]
    return [Grid("Worst values over all parameters", _HEADS, rows), Paragraph(f"Limits: {_LIMITS}.", soft=True)]


def _findings(run: RunReport) -> list[Finding]:
    failures = [note.text for note in notes_of(run.summary) if note.kind == "not_converged"]
    if not failures:
        return []
    text = f"The fit by {run.summary['model']} did not converge ({failures[0]}). Take none of its numbers as settled."
    return [Finding("fit", text, attention=True)]


def _overview(run: RunReport) -> list[tuple[str, str]]:
    return [("converged", "yes" if run.converged else "NO")]


SAMPLER = Section(
    name="sampler",
    title="Sampler diagnostics",
    blocks=_blocks,
    findings=_findings,
    rank=0,
    overview=_overview,
)
