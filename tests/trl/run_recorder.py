"""A real GRPOTrainer run of the laboratory's, recorded; `python -m tests.trl.run_recorder FOLDER STEPS K [break|evaluate|wrong]`. Prints the outcome as JSON."""

import json
import sys
import warnings
from pathlib import Path

from bayes_grpo.trl.recorder import record
from case_studies.trl_lab.lab import Trial, build_trainer

folder, steps, interval = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
trainer = build_trainer(Trial(group_size=4, refresh_interval=interval), folder, steps)
seen, evaluated = [], []
scored = trainer.reward_funcs[0]


def remember(*arguments, **keywords):
    rewards = scored(*arguments, **keywords)
    (seen if trainer.model.training else evaluated).append(rewards)
    return rewards


trainer.reward_funcs[0] = remember
if "evaluate" in sys.argv:
    trainer.args.eval_strategy, trainer.args.eval_steps = "steps", 5
    trainer.eval_dataset = trainer.train_dataset.select(range(16))
if "break" in sys.argv:
    (folder / "file").parent.mkdir(parents=True, exist_ok=True)
    (folder / "file").write_text("no folder")
    recorder = record(trainer, folder / "file" / "log.jsonl")
else:
    recorder = record(trainer, evaluation="rewards/wrong/mean" if "wrong" in sys.argv else "eval_reward")
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    trainer.train()
said = [str(one.message) for one in warned if "bayes_grpo" in str(one.message)]
print(
    json.dumps(
        {
            "rewards": seen,
            "evaluated": evaluated,
            "failure": recorder.failure,
            "steps": trainer.state.global_step,
            "said": said,
        }
    )
)
