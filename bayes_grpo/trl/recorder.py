"""Record a TRL GRPO run as bayes_grpo wants it: needs the extra `train`.

``record(trainer)`` before ``trainer.train()`` is all. It writes, in the trainer's output folder, ``bayes_grpo.jsonl``
with a row an optimizer step and ``bayes_grpo.hyperparameters.json`` beside it; ``bayes-grpo fit
OUTPUT/bayes_grpo.jsonl`` reads both.
"""

import json
import math
import os
import warnings
from pathlib import Path
from typing import Any

import transformers
from transformers import TrainerCallback

from bayes_grpo.runs.files import end_last_line, write_atomically
from bayes_grpo.trl.updates import GradientWatch, RatioWatch

LOG = "bayes_grpo.jsonl"


def record(trainer: Any, path: str | Path | None = None, *, evaluation: str = "eval_reward") -> "Recorder":
    """Attach a `Recorder` to a GRPOTrainer.

    Parameters
    ----------
    trainer : trl.GRPOTrainer
        Any GRPOTrainer, before training.
    path : str or Path, optional
        The log to write; by default ``bayes_grpo.jsonl`` in the trainer's output folder. A log that is there is
        continued.
    evaluation : str
        The figure of TRL's log that is the mean reward by the metric that counts, kept as ``evaluation_reward``: that
        of the trainer's evaluations, or ``rewards/NAME/mean`` of a reward function that has weight 0 and only watches.
    """
    recorder = Recorder(trainer, Path(path) if path is not None else Path(trainer.args.output_dir) / LOG, evaluation)
    trainer.add_callback(recorder)
    return recorder


class Recorder(TrainerCallback):
    """Writes what the model needs and TRL does not log, a line a step, and never stops the training.

    A row holds ``optimizer_step``, ``learning_rate``, ``rollout_age`` (updates since the rollouts were drawn) and TRL's
    own figures; ``gradient_cosine`` with the step before; where a batch is used again, ``log_ratio_mean``,
    ``log_ratio_variance``, ``effective_sample_share`` and ``clipped_drive_share`` of the importance ratios; where there
    was an evaluation, ``evaluation_reward``; where rollouts were drawn, also ``reward`` (mean), ``reward_spread`` (root
    of the mean variance within groups, G - 1 in the denominator), ``reward_variance_between`` (variance of the groups'
    means), ``zero_spread_share`` and ``groups``. Each line is handed to the operating system at once, so a killed
    trainer loses the last at most.
    """

    def __init__(self, trainer: Any, path: Path, evaluation: str = "eval_reward") -> None:
        self.path = path
        self.evaluation = evaluation
        self.failure: str | None = None
        self._trainer = trainer
        self._file: int | None = None
        self._row: dict[str, Any] = {}
        self._drawn_at = 0
        self._figures: set[str] = set()
        self._heard = False
        self._ratios: RatioWatch | None = None
        self._gradients: GradientWatch | None = None
        self._guard(self._watch_rewards)
        self._guard(self._watch_ratios)

    def _guard(self, action: Any, *arguments: Any) -> None:
        """Do something that must not disturb the training: after a failure, say so once and record no more."""
        if self.failure is not None:
            return
        try:
            action(*arguments)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            warnings.warn(f"bayes_grpo records no further: {self.failure}; training goes on", stacklevel=2)

    def _watch_rewards(self) -> None:
        original = self._trainer._calculate_rewards

        def watched(*arguments: Any, **keywords: Any) -> Any:
            rewards = original(*arguments, **keywords)
            self._guard(self._see, rewards)
            return rewards

        self._trainer._calculate_rewards = watched

    def _watch_ratios(self) -> None:
        if not getattr(self._trainer, "use_liger_kernel", False):
            self._ratios = RatioWatch(self._trainer, self._guard)

    def _see(self, per_function: Any) -> None:
        """Take in the rewards of a batch of rollouts, shape (completions, reward functions), all processes."""
        trainer = self._trainer
        if not trainer.model.training:
            return
        weights = trainer.reward_weights.to(per_function.device)
        groups = (per_function * weights).nansum(dim=1).view(-1, trainer.num_generations).double()
        variance = groups.var(dim=1)
        self._drawn_at = trainer.state.global_step
        self._row |= {
            "reward": float(groups.mean()),
            "reward_spread": float(variance.mean().sqrt()),
            "reward_variance_between": float(groups.mean(dim=1).var()) if len(groups) > 1 else math.nan,
            "zero_spread_share": float((variance == 0).double().mean()),
            "groups": len(groups),
        }

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the hyperparameters and open the log."""
        if state.is_world_process_zero:
            self._guard(self._begin, args, state)

    def _begin(self, args: Any, state: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        facts = hyperparameters(args, state.max_steps)
        size = sum(p.numel() for p in self._trainer.model.parameters())
        self._gradients = GradientWatch(self._trainer.model)
        facts |= {"model_size": size, "spread": "within_group", "x_arguments": args.to_dict()}
        text = json.dumps(facts, indent=1, default=str)
        write_atomically(self.path.with_suffix(".hyperparameters.json"), text.encode())
        end_last_line(self.path)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Note the learning rate and the step that begins; the row of the step before is complete."""
        self._guard(self._step_begins, state, more.get("lr_scheduler"))

    def _step_begins(self, state: Any, scheduler: Any) -> None:
        self._write()
        self._row = {"optimizer_step": state.global_step + 1}
        if scheduler is not None:
            self._row["learning_rate"] = float(scheduler.get_last_lr()[0])

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the direction of the gradient."""
        if self._gradients is not None:
            self._guard(self._gradients.see)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the rollouts' age, and what the update did."""
        self._row["rollout_age"] = state.global_step - 1 - self._drawn_at
        for watch in (self._ratios, self._gradients):
            if watch is not None:
                self._guard(lambda watch=watch: self._row.update(watch.figures()))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Take over what TRL logged of this step; its own reward and spread stand aside."""
        self._guard(self._take_over, state, logs or {})

    def _take_over(self, state: Any, logs: dict[str, Any]) -> None:
        if state.global_step != self._row.get("optimizer_step") or "train_runtime" in logs:
            return  # of another step, or the summary of all training
        measured = ("reward", "reward_std", "frac_reward_zero_std", "learning_rate", "epoch", "step", "loss")
        for key, value in logs.items():
            self._figures.add(key)
            if key == self.evaluation and _is_number(value):
                self._row["evaluation_reward"], self._heard = float(value), True
            if key not in measured and not key.startswith("eval_") and _is_number(value):
                self._row.setdefault(key, float(value))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the last row and close; an evaluation that was named and never came is said."""
        self._guard(self._write)
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        if self.evaluation != "eval_reward" and not self._heard:
            keys = ", ".join(sorted(key for key in self._figures if key.startswith(("eval", "rewards/")))) or "none"
            warnings.warn(
                f"bayes_grpo recorded no evaluation_reward: expected a figure {self.evaluation!r} in TRL's log, "
                f"found {keys}",
                stacklevel=2,
            )

    def _write(self) -> None:
        if self._file is None or "rollout_age" not in self._row:
            return
        row = {k: v for k, v in self._row.items() if not (isinstance(v, float) and math.isnan(v))}
        os.write(self._file, (json.dumps(row) + "\n").encode())
        self._row = {}


def hyperparameters(args: Any, max_steps: int) -> dict[str, Any]:
    """What a GRPOConfig says of a run, by the names of `bayes_grpo.runs.fields.RUN_FIELDS`.

    Parameters
    ----------
    args : trl.GRPOConfig
        The trainer's arguments.
    max_steps : int
        Optimizer steps of the run.
    """
    import trl

    accumulated = args.gradient_accumulation_steps
    return {
        "group_size": args.num_generations,
        "prompts_per_step": args.per_device_train_batch_size * accumulated * args.world_size / args.num_generations,
        "momentum": args.adam_beta1,
        "refresh_interval": max(1.0, args.steps_per_generation * args.num_iterations / accumulated),
        "logging_window": 1,
        "planned_steps": max_steps,
        "kl_weight": args.beta,
        "clip_range": args.epsilon,
        "optimizer": str(getattr(args.optim, "value", args.optim)),
        "trl_version": trl.__version__,
        "x_transformers_version": transformers.__version__,
    }


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
