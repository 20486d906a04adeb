"""A diagnosis as text that fits a terminal."""

from bayes_grpo.analysis.collapses import recovery_text
from bayes_grpo.analysis.diagnosis.diagnose import WORTH_A_REASON
from bayes_grpo.analysis.diagnosis.modes import NOT_LEARNING, answers
from bayes_grpo.analysis.diagnosis.summary import DiagnosisSummary
from bayes_grpo.analysis.tables import render, titled, wrapped

#: Log Bayes factors smaller than this are not shown.
_WORTH_SHOWING = 1.0
WHY = "; what may keep it from rising, the likeliest first:"


def label_of(name: str) -> str:
    """What people call an answer."""
    known = answers().get(name)
    return name.replace("_", " ") if known is None else known.label


def evidence_for(summary: DiagnosisSummary, name: str) -> str:
    """What the channels say for an answer against healthy training, strongest first, in nats."""
    terms = sorted(((row[name], channel) for channel, row in summary["evidence"].items() if name in row), reverse=True)
    return ", ".join(f"{channel.replace('_', ' ')} {v:+.1f}" for v, channel in terms if abs(v) >= _WORTH_SHOWING)


def gain_text(summary: DiagnosisSummary) -> str:
    """What the reward has gained, in words."""
    gain = summary["reward_gain"]
    return (
        f"from the first quarter of the rows to the last the mean reward changed by {gain['median']:+.2g} "
        f"({gain['prob']:.0%} interval {gain['lower']:+.2g} to {gain['upper']:+.2g})"
    )


def silent_channels(summary: DiagnosisSummary) -> list[str]:
    """The channels that tell nothing: those that are not logged, and those that are logged and not used."""
    missing, unused = summary["missing_channels"], summary["unused_channels"]
    lines = [f"not logged: {', '.join(missing)}"] if missing else []
    if unused:
        lines.append(f"logged, but of no use: {', '.join(f'{name} ({why})' for name, why in unused.items())}")
    return lines


def diagnosis_table(summary: DiagnosisSummary) -> str:
    """Probabilities and what speaks for them, then when it began, when it was seen, and what is not logged."""
    table = titled(summary["run"])
    table.add_column("", no_wrap=True)
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("what speaks for it against healthy (nats)")
    for name, probability in summary["probabilities"].items():
        table.add_row(label_of(name), f"{probability:.3f}", evidence_for(summary, name))
    lines = [render(table)]
    onset, first = summary["onset_step"], summary["first_seen_step"]
    if onset is not None:
        seen = f"seen at step {first:.0f}" if first is not None else "at no step was it beyond doubt"
        text = (
            f"{label_of(onset['failure'])} began at step {onset['median']:.0f} ({onset['prob']:.0%} interval "
            f"{onset['lower']:.0f} to {onset['upper']:.0f}); {seen}"
        )
        lines.append(wrapped(text, indent="  "))
    if summary["recovery"] is not None:
        lines.append(wrapped(f"the reward has collapsed: {recovery_text(summary['recovery'])}", indent="  "))
    if summary["probabilities"][NOT_LEARNING] >= WORTH_A_REASON:
        lines.append(
            wrapped(f"not learning: {gain_text(summary)}{WHY if summary['why_not_learning'] else ''}", indent="  ")
        )
        lines += [wrapped(f"- {reason['text']}", indent="  ") for reason in summary["why_not_learning"]]
    lines += [wrapped(line, indent="  ") for line in silent_channels(summary)]
    return "\n".join(lines)
