"""Real GRPOTrainer runs of the laboratory's, recorded, one after another; `python -m tests.trl.run_recorder FOLDER`.

Prints the outcome of each as a line of JSON. The last, in FOLDER/killed, trains until it is killed.
"""

import json
import sys
import warnings
from pathlib import Path

from bayes_grpo.trl.recorder import record
from case_studies.trl_lab.lab import Trial, build_trainer

ENDLESS = 100_000


def train(
    folder: Path, steps: int, interval: int = 1, evaluate: int = 0, log: Path | None = None, **options: str | int
) -> dict:
    """Train for so many steps; what was rewarded, and what the recorder says.

    Each batch is used ``interval`` times; the trainer evaluates every ``evaluate`` steps.
    """
    trainer = build_trainer(Trial(group_size=4, refresh_interval=interval), folder, steps)
    if evaluate:
        trainer.args.eval_strategy, trainer.args.eval_steps = "steps", evaluate
        trainer.eval_dataset = trainer.train_dataset.select(range(16))
    seen, evaluated = [], []
    scored = trainer.reward_funcs[0]

    def remember(*arguments, **keywords):
        rewards = scored(*arguments, **keywords)
        (seen if trainer.model.training else evaluated).append(rewards)
        return rewards

    trainer.reward_funcs[0] = remember
    recorder = record(trainer, log, **options)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        trainer.train()
    messages = [str(warning.message) for warning in warned if "bayes_grpo" in str(warning.message)]
    return {
        "rewards": seen,
        "evaluated": evaluated,
        "failure": recorder.failure,
        "steps": trainer.state.global_step,
        "messages": messages,
    }


def main(folder: Path) -> None:
    (folder / "file").write_text("no folder")
    runs = {
        "recorded": {"steps": 30, "interval": 2, "evaluate": 15, "watch_every": 1},
        "toy": {"steps": 10, "interval": 2},
        "misnamed": {"steps": 3, "evaluation": "rewards/wrong/mean"},
        "broken": {"steps": 3, "log": folder / "file" / "log.jsonl"},
    }
    for name, settings in runs.items():
        print(json.dumps({"name": name} | train(folder / name, **settings)), flush=True)
    train(folder / "killed", ENDLESS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
