"""The five answers as text that fits a terminal."""

from bayes_grpo.analysis.decisions.ask.summary import AskSummary
from bayes_grpo.analysis.tables import wrapped


def ask_table(summary: AskSummary) -> str:
    """Each question with its answer, then all that would tell more."""
    lines = [f"{summary['run']}, step {summary['last_step']:g}"]
    for reply in summary["answers"].values():
        lines += ["", reply["question"], wrapped(f"  {reply['text']}", indent="  ")]
    if len(summary["to_log"]) > 3:
        lines += [wrapped(f"  also: {'; '.join(summary['to_log'][3:])}", indent="  ")]
    return "\n".join(lines)
