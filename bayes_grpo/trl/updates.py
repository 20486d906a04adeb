"""What an update did to the policy: ratios and gradients of a GRPOTrainer, watched without another forward pass.

Sums stay on the device until the step ends, and one transfer brings them over. The cosine of consecutive gradients is
taken on a fixed sample of the weights, so that its cost does not grow with the model.
"""

import math
from typing import Any

import torch

#: Weights of which the gradient is kept for the next step; up to twice as many, where a model has no more.
SAMPLE = 65_536


class RatioWatch:
    """Moments of the log importance ratio of one optimizer step, over all tokens of this process's completions.

    Parameters
    ----------
    trainer : trl.GRPOTrainer
        Its `_compute_loss` and `_get_per_token_logps_and_entropies` are wrapped; a trainer without them is left alone.
    guard : callable
        Calls a function so that no failure of it disturbs the training.
    """

    def __init__(self, trainer: Any, guard: Any) -> None:
        self.active = True  # whether the step is looked at
        self._low, self._high = trainer.epsilon_low, trainer.epsilon_high
        self._log_probability: torch.Tensor | None = None
        self._sums: torch.Tensor | None = None
        loss, probabilities = trainer._compute_loss, trainer._get_per_token_logps_and_entropies

        def watched_probabilities(*arguments: Any, **keywords: Any) -> Any:
            result = probabilities(*arguments, **keywords)
            if torch.is_grad_enabled():
                self._log_probability = result[0].detach()
            return result

        def watched_loss(model: Any, inputs: Any) -> Any:
            self._log_probability = None
            result = loss(model, inputs)
            if model.training and self.active:
                guard(self._add, inputs)
            return result

        trainer._get_per_token_logps_and_entropies, trainer._compute_loss = watched_probabilities, watched_loss

    def _add(self, inputs: Any) -> None:
        """Add the sums over the tokens of one batch.

        Nothing where the rollouts' probabilities are not kept (one update a batch).
        """
        before = inputs.get("old_per_token_logps")
        if before is None or self._log_probability is None:
            return
        mask = inputs["completion_mask"]
        if "tool_mask" in inputs:
            mask = mask * inputs["tool_mask"]
        log_ratio = torch.where(mask.bool(), self._log_probability - before, 0.0).double()
        mask = mask.double()
        ratio = log_ratio.exp()
        advantage = inputs["advantages"]
        advantage = (advantage[:, None] if advantage.dim() == 1 else advantage).expand_as(ratio)
        beyond = torch.where(advantage > 0, ratio > 1 + self._high, ratio < 1 - self._low).double()
        ratio, weight = ratio * mask, advantage.abs() * mask
        # All seven sums in one product.
        left = torch.stack((mask, log_ratio, ratio, weight)).flatten(1)
        right = torch.stack((torch.ones_like(mask), log_ratio, ratio, beyond)).flatten(1)
        sums = left @ right.T
        self._sums = sums if self._sums is None else self._sums + sums

    def figures(self) -> dict[str, float]:
        """Figures of the step that ended; empty where no ratio was seen."""
        if self._sums is None:
            return {}
        (tokens, *_), (first, second, *_), (ratios, _, squares, _), (weight, *_, clipped) = self._sums.tolist()
        self._sums = None
        if not (tokens and ratios > 0 and math.isfinite(squares)):
            return {}
        mean = first / tokens
        return {
            "log_ratio_mean": mean,
            "log_ratio_variance": max(second / tokens - mean**2, 0.0),
            "effective_sample_share": ratios**2 / (tokens * squares),
            "clipped_drive_share": clipped / weight if weight else 0.0,
        }


class GradientWatch:
    """Cosine between the gradients of consecutive optimizer steps, on a sample of the weights.

    Two vectors are kept, this gradient and the one before, and change places; their product with the new one is all
    that a step computes.
    """

    def __init__(self, model: Any) -> None:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.active = True  # whether the gradient is looked at
        self._weights = weights
        self._stride = max(1, sum(weight.numel() for weight in weights) // SAMPLE)
        self._kept: torch.Tensor | None = None  # shape (2, sampled weights)
        self._place = 0
        self._products: torch.Tensor | None = None
        self._square = 0.0  # of the gradient before; 0 where there is none

    def see(self) -> None:
        """Take in the gradient of the step that is about to be made."""
        if not self.active:
            self._square = 0.0
            return
        parts = [weight.grad.reshape(-1) for weight in self._weights if weight.grad is not None]
        if not parts:
            return
        if self._stride > 1:
            parts = [part[:: self._stride] for part in parts]
        gradient = torch.cat(parts)
        if self._kept is None or self._kept.shape[1] != gradient.numel():
            self._kept, self._square = torch.zeros(2, gradient.numel(), device=gradient.device), 0.0
        self._place = 1 - self._place
        self._kept[self._place] = gradient
        self._products = self._kept @ self._kept[self._place]

    def figures(self) -> dict[str, float]:
        """Figures of the step that ended; empty at the first, and where gradients are spread over devices."""
        if self._products is None:
            return {}
        products, self._products = self._products.tolist(), None
        square, before = products[self._place], self._square
        self._square = square
        product = products[1 - self._place]
        return {"gradient_cosine": product / math.sqrt(square * before)} if square > 0 and before > 0 else {}
