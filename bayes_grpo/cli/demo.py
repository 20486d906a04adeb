"""`bayes-grpo demo`: what the model says of the first 60 % of the bundled run, and how the rest turned out."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from bayes_grpo.cli.common import (
    NOT_CONVERGED,
    OK,
    add_json,
    make_folder,
    print_json,
    save_or_refuse,
    say,
    say_notes,
    tell,
)

#: Share of the bundled run that the model is shown.
SHOWN = 0.6
#: Files that the command writes: the fit of the first steps, the fit of all, and the figure.
FIT, WHOLE_FIT, FIGURE = "first_60_percent.nc", "whole_run.nc", "forecast.png"
#: Which of `bayes_grpo.ask`'s answers are printed.
_ANSWERS = ("plateau", "go_on", "staleness")


class _Results(NamedTuple):
    """The run, its fits to the cut and to its end, and the forecast from the cut."""

    run: Any
    fit: Any
    whole: Any
    ahead: Any


def add_demo(commands: Any) -> None:
    """Define `demo`."""
    demo = commands.add_parser(
        "demo",
        help="forecast the bundled run from its first 60 %%, and see how the rest turned out",
        description="Fits the first 60 % of the real TRL run that comes with the package, forecasts the rest, and "
        "compares that with how the rest turned out.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("bayes_grpo_demo"), metavar="FOLDER", help="default: bayes_grpo_demo"
    )
    add_json(demo)
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    make_folder(options.out)
    from bayes_grpo.inference.progress import use_compilation_cache
    from bayes_grpo.runs.files import check_writable

    files = {name: options.out / name for name in (FIT, WHOLE_FIT, FIGURE)}
    for target in files.values():
        check_writable(target)
    use_compilation_cache()
    from bayes_grpo.analysis.decisions.hindsight.hindsight import hindsight

    results = _computed()
    answer = hindsight(results.ahead, results.run.isel(run=0))
    summaries = _summaries(results)
    if options.json:
        print_json({**summaries, "hindsight": answer, "files": {name: str(path) for name, path in files.items()}})
    else:
        _tell(summaries, answer)
    _save(results, files)
    return OK if summaries["fit"]["converged"] and summaries["whole_fit"]["converged"] else NOT_CONVERGED


def _computed() -> _Results:
    """Everything that is computed."""
    import bayes_grpo
    from bayes_grpo.inference.progress import sampling_progress

    run = bayes_grpo.example_run()
    steps = round(SHOWN * run.sizes["step"])
    first = run.isel(step=slice(0, steps))
    with sampling_progress(f"first {steps} steps: fit") as progress:
        fit = bayes_grpo.fit(first, progress=progress)
    with sampling_progress(f"first {steps} steps: forecast") as progress:
        ahead = bayes_grpo.forecast(first, until=float(run["optimizer_step"][0, -1]), progress=progress)
    with sampling_progress("whole run: fit") as progress:
        whole = bayes_grpo.fit(run, progress=progress)
    return _Results(run, fit, whole, ahead)


def _summaries(results: _Results) -> dict[str, Any]:
    """What the fits, the forecast and the answers to questions say, by name."""
    import bayes_grpo
    from bayes_grpo.analysis.decisions.ask.ask import answers_of

    answers = answers_of(results.fit, {"forecast": results.ahead}, {"diagnosis": "it was not asked for"})
    return {
        "fit": bayes_grpo.summarise(results.fit),
        "whole_fit": bayes_grpo.summarise(results.whole),
        "forecast": bayes_grpo.summarise_forecast(results.ahead),
        "answers": bayes_grpo.summarise_ask(answers)["answers"],
    }


def _tell(summaries: dict[str, Any], answer: Any) -> None:
    """The answers from the first steps, then what came."""
    from bayes_grpo.analysis.decisions.hindsight.table import hindsight_table
    from bayes_grpo.analysis.notes import notes_of
    from bayes_grpo.analysis.tables import wrapped

    last, end = answer["last_step"], answer["until"]
    tell(wrapped(f"A real GRPO run of {end:g} steps. From its first {last:g} steps ({SHOWN:.0%}) the model says:"))
    for name in _ANSWERS:
        reply = summaries["answers"][name]
        tell(f"\n{reply['question']}\n{wrapped(f'  {reply["text"]}', indent='  ')}")
    tell(f"\nHow did the rest turn out?\n{hindsight_table(answer)}\n")
    tell(wrapped(_plateau_later(summaries, answer)))
    for label in ("fit", "whole_fit"):
        if not summaries[label]["converged"]:
            say_notes(notes_of(summaries[label]), label)


def _plateau_later(summaries: dict[str, Any], answer: Any) -> str:
    """Where all steps put the plateau, and whether the rise that was expected at the cut has come."""
    from bayes_grpo.analysis.decisions.words import chance, rounded, with_interval

    expected, end = summaries["answers"]["plateau"]["probability"], answer["parts"][-1]
    level = answer["peers"]["last_mean"] + summaries["forecast"]["gain_per_100_steps"]["epsilon"]
    come = "has come" if end["came"] > level else "has not come"
    return (
        f"A rise above {rounded(level)}, of probability {chance(expected)} at step {answer['last_step']:g}, {come} by "
        f"step {answer['until']:g}. Fitted to all steps, the reward settles at "
        f"{with_interval(summaries['whole_fit']['parameters']['plateau'])}."
    )


def _save(results: _Results, files: dict[str, Path]) -> None:
    """Fits and figure; they are saved after the answers were given."""
    from bayes_grpo.analysis.decisions.hindsight.figure import plot_hindsight
    from bayes_grpo.analysis.figures import save_figure
    from bayes_grpo.inference.store import save_fit

    save_or_refuse(save_fit, results.fit, files[FIT])
    save_or_refuse(save_fit, results.whole, files[WHOLE_FIT])
    save_or_refuse(save_figure, plot_hindsight(results.ahead, results.run.isel(run=0)), files[FIGURE])
    say(f"saved {', '.join(str(path) for path in files.values())}")
    say(f"all parameters: bayes-grpo summary {files[FIT]}\nthe same of a run of yours: bayes-grpo ask RUN")
