"""The choice of a checkpoint as text that fits a terminal."""

from bayes_grpo.analysis.decisions.checkpoint.summary import CheckpointSummary
from bayes_grpo.analysis.tables import number, render, titled, wrapped

#: Checkpoints shown: those most probably the best.
_SHOWN = 12


def checkpoint_table(summary: CheckpointSummary) -> str:
    """The answer in words, then the checkpoints most probably the best, in the order of their steps."""
    ranked = sorted(summary["checkpoints"], key=lambda row: (-row["probability_best"], row["expected_loss"]))
    shown = sorted(ranked[:_SHOWN], key=lambda row: row["step"])
    about = f"{summary['run']}: {summary['about']}; near is within {number(summary['margin'])} of the best"
    table = titled(f"{about}, loss is how far below it (mean and 95% bound)")
    for heading in ("step", "expected", "P(best)", "P(near)", "loss", "95%", "evaluated"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in shown:
        table.add_row(
            f"{row['step']:g}",
            number(row["value"]["median"]),
            f"{row['probability_best']:.2f}",
            f"{row['probability_within']:.2f}",
            f"{row['expected_loss']:.2g}",
            f"{row['largest_loss']:.2g}",
            number(row["evaluated"]),
        )
    left = len(summary["checkpoints"]) - len(shown)
    more = [f"and {left} checkpoints less probable"] if left else []
    return "\n".join([wrapped(summary["statement"]), "", render(table), *more])
