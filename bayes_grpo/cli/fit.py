"""`bayes-grpo fit` and `bayes-grpo demo`."""

import argparse
from importlib.resources import files
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import BAD_INPUT, NOT_CONVERGED, OK, add_json, print_json, save_or_refuse, say
from bayes_grpo.errors import InputError

_HYPERPARAMETERS = {
    "group_size": "completions per prompt (G)",
    "prompts_per_step": "prompts per optimizer step (B)",
    "momentum": "optimizer momentum: Adam's beta1 or heavy-ball's",
    "refresh_interval": "optimizer updates made on one batch of rollouts (K)",
    "logging_window": "optimizer steps averaged in one logged row",
    "planned_steps": "optimizer steps the run was planned for",
    "model_size": "number of parameters of the policy",
}


def add_fit(commands: Any) -> None:
    """Define `fit`."""
    fit = commands.add_parser("fit", help="fit a model to training logs", description="Fit a model to training logs.")
    fit.add_argument(
        "runs", nargs="+", metavar="RUN", help="TRL output or checkpoint folder, trainer_state.json, JSON(L) or CSV"
    )
    fit.add_argument(
        "--model", default="oscillator", metavar="NAME|FILE", help="model name or file (default: oscillator)"
    )
    fit.add_argument("--out", type=Path, metavar="FILE", help="result file (default: RUN.MODEL.nc here)")
    add_json(fit)
    sampler = fit.add_argument_group("sampler")
    for name, default in (("seed", 0), ("draws", 1000), ("tune", 1000), ("chains", 4)):
        more = " a chain; up to 4 times as many where the chains do not agree yet" if name == "draws" else ""
        sampler.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}{more}")
    sampler.add_argument(
        "--backend", choices=("numpyro", "pymc"), default="numpyro", help="library that samples (default: numpyro)"
    )
    sampler.add_argument("--target-accept", type=float, default=0.95, metavar="P", help="default: 0.95")
    about = fit.add_argument_group("what the log does not say (stated here, these win over a hyperparameters file)")
    for name, meaning in _HYPERPARAMETERS.items():
        about.add_argument(_flag(name), metavar="N", help=meaning)
    about.add_argument(
        "--reward-bounds", nargs=2, metavar=("LOWER", "UPPER"), help="smallest and largest possible reward"
    )
    about.add_argument("--hyperparameters", type=Path, metavar="FILE", help="the same as TOML or JSON")
    about.add_argument("--reward-column", metavar="NAME", help="column that holds the mean reward")
    about.add_argument("--step-column", metavar="NAME", help="column that holds the optimizer step")
    about.add_argument("--run-column", metavar="NAME", help="column that tells several runs in one table apart")
    fit.set_defaults(run=_fit)


def add_demo(commands: Any) -> None:
    """Define `demo`."""
    demo = commands.add_parser("demo", help="fit the bundled run", description="Fit the bundled real TRL run.")
    demo.add_argument(
        "--out", type=Path, default=Path("bayes_grpo_demo"), metavar="FOLDER", help="default: bayes_grpo_demo"
    )
    add_json(demo)
    demo.set_defaults(run=_demo)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _stated(options: argparse.Namespace) -> dict[str, Any]:
    stated = {name: getattr(options, name) for name in _HYPERPARAMETERS if getattr(options, name) is not None}
    if options.reward_bounds is not None:
        stated["reward_lower"], stated["reward_upper"] = options.reward_bounds
    return stated


def _fit(options: argparse.Namespace) -> int:
    from bayes_grpo.model_files import load_model
    from bayes_grpo.schema import check_hyperparameters

    spec = load_model(options.model)
    stated = check_hyperparameters("command line", _stated(options))
    runs, faults = _read(options, stated)
    labels = [(dataset, str(label)) for dataset in runs for label in dataset["run"].values]
    targets = _targets(options.out, [label for _, label in labels], spec.name)

    from bayes_grpo.progress import use_compilation_cache
    from bayes_grpo.store import check_writable

    for target in targets:
        check_writable(target)
    use_compilation_cache()
    summaries, code = [], BAD_INPUT if faults else OK
    for (dataset, label), target in zip(labels, targets, strict=True):
        try:
            summary, saved = _fit_one(dataset, label, spec, options, target)
        except InputError as error:
            if len(labels) == 1:
                raise
            say(f"bayes-grpo: {error}")
            code = BAD_INPUT
            continue
        summaries.append(summary)
        if code == OK and not (summary["converged"] and saved):
            code = BAD_INPUT if not saved else NOT_CONVERGED
    if options.json and summaries:
        print_json(summaries[0] if len(labels) == 1 and not faults else {"fits": summaries})
    return code


def _read(options: argparse.Namespace, stated: dict[str, float]) -> tuple[list[Any], list[InputError]]:
    """Read all runs; where some of several cannot be read, say so and go on with the others."""
    from bayes_grpo.readers import read_run

    runs, faults = [], []
    for path in options.runs:
        try:
            runs.append(
                read_run(
                    path,
                    hyperparameters=stated,
                    hyperparameters_file=options.hyperparameters,
                    reward_column=options.reward_column,
                    step_column=options.step_column,
                    run_column=options.run_column,
                )
            )
        except InputError as error:
            if len(options.runs) == 1:
                raise
            say(f"bayes-grpo: {error}")
            faults.append(error)
    return runs, faults


def _targets(out: Path | None, labels: list[str], model: str) -> list[Path]:
    """One result file a run; several runs put their label into the file's name."""

    def plain(label: str) -> str:
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in label).strip("._") or "run"

    if out is not None and len(labels) == 1:
        return [out]
    base = [f"{out.stem}.{plain(label)}" if out else f"{plain(label)}.{model}" for label in labels]
    folder = out.parent if out else Path()
    suffix = (out.suffix if out else "") or ".nc"
    names: list[str] = []
    for name in base:
        count = sum(1 for used in names if used == name or used.startswith(f"{name}~"))
        names.append(f"{name}~{count + 1}" if count else name)
    return [folder / f"{name}{suffix}" for name in names]


def _fit_one(
    dataset: Any, label: str, spec: Any, options: argparse.Namespace, target: Path
) -> tuple[dict[str, Any], bool]:
    """Fit, show and save one run; what was computed is shown even where it cannot be saved."""
    from bayes_grpo.fitting import fit
    from bayes_grpo.progress import sampling_progress
    from bayes_grpo.store import save_fit
    from bayes_grpo.summary import summarise

    with sampling_progress(f"{label}: {spec.name}") as progress:
        tree = fit(
            dataset,
            spec,
            run=label,
            backend=options.backend,
            seed=options.seed,
            draws=options.draws,
            tune=options.tune,
            chains=options.chains,
            target_accept=options.target_accept,
            progress=progress,
        )
    summary = summarise(tree)
    show(summary, options.json)
    try:
        save_fit(tree, target)
    except OSError as error:
        say(
            f"bayes-grpo: {target}: could not be saved ({error.strerror or error}); nothing was left there; free space or choose --out"
        )
        return summary, False
    say(f"saved {target}")
    return summary, True


def show(summary: dict[str, Any], as_json: bool) -> None:
    """Print a fit's table, and its warnings on stderr."""
    if not as_json:
        from bayes_grpo.tables import summary_table

        print(summary_table(summary), flush=True)
    for warning in summary["warnings"]:
        say(f"note: {warning}" if not warning.startswith("NOT CONVERGED") else f"*** {warning}")


def _demo(options: argparse.Namespace) -> int:
    import bayes_grpo
    from bayes_grpo.model_files import load_model
    from bayes_grpo.plots import save_plot

    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            str(options.out), f"cannot be made a folder ({error.strerror}); choose another --out"
        ) from error
    from bayes_grpo.progress import use_compilation_cache
    from bayes_grpo.store import check_writable, load_fit

    result, figure = options.out / "arithmetic_grpo.nc", options.out / "arithmetic_grpo.png"
    for target in (result, figure):
        check_writable(target)
    use_compilation_cache()
    run = bayes_grpo.read_run(str(files("bayes_grpo") / "data" / "arithmetic_grpo"))
    settings = argparse.Namespace(
        backend="numpyro", seed=0, draws=1000, tune=1000, chains=4, target_accept=0.95, json=options.json
    )
    summary, saved = _fit_one(run, str(run["run"].values[0]), load_model("oscillator"), settings, result)
    if not saved:
        return BAD_INPUT
    save_or_refuse(save_plot, load_fit(result), figure)
    say(f"saved {figure}")
    if options.json:
        print_json(summary | {"files": {"fit": str(result), "figure": str(figure)}})
    return OK if summary["converged"] else NOT_CONVERGED
