"""A real GRPOTrainer run of the laboratory's, recorded; `python trl_run.py FOLDER STEPS K [break|evaluate]`. Prints the outcome as JSON."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "case_studies" / "trl_lab"))

from lab import Trial, build_trainer

from bayes_grpo.trl import record

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
    recorder = record(trainer)
trainer.train()
print(
    json.dumps(
        {"rewards": seen, "evaluated": evaluated, "failure": recorder.failure, "steps": trainer.state.global_step}
    )
)
