"""What an update did to the policy: ratios and gradients of a GRPOTrainer, watched without another forward pass.

Sums stay on the device until the step ends, and one transfer brings them over. The cosine of consecutive gradients is
taken on a fixed sample of the weights, so that its cost does not grow with the model.
"""

import math
from typing import Any

import torch

#: Weights of which the gradient is kept for the next step.
SAMPLE = 16_384


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
            if model.training:
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
        mask = inputs["completion_mask"] * inputs.get("tool_mask", 1)
        log_ratio = torch.where(mask.bool(), self._log_probability - before, 0.0).double()
        ratio = log_ratio.exp() * mask
        advantage = inputs["advantages"].double()
        advantage = advantage[:, None] if advantage.dim() == 1 else advantage
        weight = (advantage.abs() * mask).expand_as(ratio)
        clipped = ((ratio > 1 + self._high) & (advantage > 0)) | ((ratio < 1 - self._low) & (advantage < 0))
        terms = (mask, log_ratio, log_ratio**2, ratio, ratio**2, weight, weight * clipped)
        sums = torch.stack([term.double().sum() for term in terms])
        self._sums = sums if self._sums is None else self._sums + sums

    def figures(self) -> dict[str, float]:
        """Figures of the step that ended; empty where no ratio was seen."""
        if self._sums is None:
            return {}
        tokens, first, second, ratios, squares, weight, clipped = self._sums.tolist()
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
    """Cosine between the gradients of consecutive optimizer steps, and the weights' norm, on a sample of weights."""

    def __init__(self, model: Any) -> None:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._weights = weights
        self._stride = max(1, sum(weight.numel() for weight in weights) // SAMPLE)
        self._before: torch.Tensor | None = None
        self._cosine: torch.Tensor | None = None

    def see(self) -> None:
        """Take in the gradient of the step that is about to be made."""
        parts = [weight.grad.reshape(-1)[:: self._stride] for weight in self._weights if weight.grad is not None]
        if not parts:
            return
        gradient = torch.cat(parts).float()
        before, self._before = self._before, gradient
        if before is not None and before.shape == gradient.shape:
            self._cosine = gradient @ before / (gradient.norm() * before.norm()).clamp(min=1e-30)

    def figures(self) -> dict[str, float]:
        """Figures of the step that ended; empty at the first, and where gradients are spread over devices."""
        cosine, self._cosine = self._cosine, None
        return {} if cosine is None else {"gradient_cosine": float(cosine)}
