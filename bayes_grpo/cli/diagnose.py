"""`bayes-grpo diagnose`: which failure is it, if any."""

import argparse
import textwrap
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, OK, add_json, print_json, say
from bayes_grpo.cli.figures import add_figure, check_figure, numbered, save_figure
from bayes_grpo.cli.reading import RUN_HELP, add_reading, read_all
from bayes_grpo.errors import InputError

#: Log Bayes factors smaller than this are not worth a line.
_WORTH_SAYING = 1.0


def add_diagnose(commands: Any) -> None:
    """Define `diagnose`."""
    diagnose = commands.add_parser(
        "diagnose",
        help="which failure is it: reward hacking, no advantage, concentration, instability",
        description="Probabilities of healthy training and of four failures from all logged channels, when it began and when it "
        "would have been seen. What is not logged cannot be told, and the answer says so.",
    )
    diagnose.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    add_figure(diagnose)
    add_json(diagnose)
    add_reading(diagnose)
    diagnose.set_defaults(run=_diagnose)


def _diagnose(options: argparse.Namespace) -> int:
    check_figure(options.figure)
    from bayes_grpo.analysis.diagnosis.diagnose import diagnose, summarise_diagnosis

    runs, faults = read_all(options)
    named = [(run, str(label)) for run in runs for label in run["run"].values]
    answers = []
    for number, (run, label) in enumerate(named, 1):
        try:
            found = diagnose(run, run=label)
        except InputError as error:
            if len(named) == 1:
                raise
            say(f"bayes-grpo: {error}")
            faults.append(error)
            continue
        answers.append(summarise_diagnosis(found))
        if not options.json:
            print(_text(answers[-1]), end="\n\n" if number < len(named) else "\n", flush=True)
        for text in answers[-1]["warnings"]:
            say(f"note: {label}: {text}" if len(named) > 1 else f"note: {text}")
        if options.figure is not None:
            save_figure(numbered(options.figure, number - 1, len(named)), "plot_diagnosis", found)
    if options.json and answers:
        print_json(answers[0] if len(answers) == 1 else {"runs": answers})
    return BAD_INPUT if faults else OK


def _text(said: dict[str, Any]) -> str:
    """Probabilities, then when it began and what says so."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from bayes_grpo.analysis.tables import render

    table = Table(box=SIMPLE_HEAD, title=said["run"].replace("[", "\\["), title_justify="left", pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("what speaks for it against healthy (nats)")
    for name, chance in said["probabilities"].items():
        terms = {c: row[name] for c, row in said["evidence"].items() if name in row}
        strong = sorted(((v, c) for c, v in terms.items() if abs(v) >= _WORTH_SAYING), reverse=True)
        words = ", ".join(f"{c.replace('_', ' ')} {v:+.1f}" for v, c in strong)
        table.add_row(name.replace("_", " "), f"{chance:.3f}", words)
    lines = [render(table)]
    onset = said["onset_step"]
    if onset is not None:
        first = said["first_seen_step"]
        seen = f"seen at step {first:g}" if first is not None else "never beyond doubt as it went on"
        lines.append(
            f"{onset['failure'].replace('_', ' ')} began at step {onset['median']:g} ({onset['prob']:.0%} interval "
            f"{onset['lower']:g} to {onset['upper']:g}); {seen}"
        )
    if said["missing_channels"]:
        lines += textwrap.wrap(f"not logged: {', '.join(said['missing_channels'])}", 100, subsequent_indent="  ")
    return "\n".join(lines)
