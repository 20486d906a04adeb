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

from transformers import TrainerCallback

from bayes_grpo.runs.files import end_last_line, write_atomically
from bayes_grpo.trl.settings import hyperparameters, refresh_interval
from bayes_grpo.trl.updates import GradientWatch, RatioWatch

LOG = "bayes_grpo.jsonl"
#: A model of fewer weights is a toy whose step is so short that ratios and gradients of one batch in four are enough.
TOY, TOY_EVERY = 1_000_000, 4


def record(
    trainer: Any, path: str | Path | None = None, *, evaluation: str = "eval_reward", watch_every: int | None = None
) -> "Recorder":
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
    watch_every : int, optional
        Batches of rollouts of which one has its importance ratios and gradients watched, all its updates. By default 1,
        every one, and 4 for a model of fewer than a million weights, so that recording takes less than 1 % of a step.

    Returns
    -------
    Recorder
        Attached, a callback of the trainer.

    Raises
    ------
    ValueError
        If ``watch_every`` is not a whole number of at least 1.
    """
    if watch_every is not None and (watch_every != int(watch_every) or watch_every < 1):
        raise ValueError(f"watch_every: expected a whole number of at least 1, found {watch_every!r}")
    where = Path(path) if path is not None else Path(trainer.args.output_dir) / LOG
    recorder = Recorder(trainer, where, evaluation, watch_every)
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
    trainer loses the last at most. Ratios and cosine are those of one batch of rollouts in ``watch_every``.
    """

    def __init__(
        self, trainer: Any, path: Path, evaluation: str = "eval_reward", watch_every: int | None = None
    ) -> None:
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
        self._size = sum(weight.numel() for weight in trainer.model.parameters())
        self._every = watch_every or (TOY_EVERY if self._size < TOY else 1)
        self._interval = round(refresh_interval(trainer.args))
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
        # One transfer; of the few hundred numbers of a batch plain sums are cheaper than a dozen calls of a library.
        totals, size = (per_function * weights).nansum(dim=1).tolist(), trainer.num_generations
        groups = [totals[first : first + size] for first in range(0, len(totals), size)]
        means = [sum(group) / size for group in groups]
        squares = [sum((x - mean) ** 2 for x in group) for group, mean in zip(groups, means, strict=True)]
        count, mean = len(groups), sum(means) / len(means)
        between = sum((x - mean) ** 2 for x in means)
        self._drawn_at = trainer.state.global_step
        self._row |= {
            "reward": mean,
            "reward_spread": math.sqrt(sum(squares) / (size - 1) / count),
            "reward_variance_between": between / (count - 1) if count > 1 else math.nan,
            "zero_spread_share": sum(min(group) == max(group) for group in groups) / count,
            "groups": count,
        }

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the hyperparameters and open the log."""
        if state.is_world_process_zero:
            self._guard(self._begin, args, state)

    def _begin(self, args: Any, state: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        facts = hyperparameters(args, state.max_steps)
        self._gradients = GradientWatch(self._trainer.model)
        facts |= {"model_size": self._size, "spread": "within_group", "x_arguments": args.to_dict()}
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
        now = self._watched(state.global_step)
        if self._ratios is not None:
            self._ratios.active = now
        if self._gradients is not None:  # a cosine needs the gradient before
            self._gradients.active = now or self._watched(state.global_step + 1)

    def _watched(self, step: int) -> bool:
        """Whether the batch of rollouts that a step (from 0) is made on is one of those that are watched."""
        return step // self._interval % self._every == 0

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


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
