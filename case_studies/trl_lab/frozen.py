"""A GRPOTrainer with one change: every update on a batch of rollouts repeats the gradient of the first."""

import torch
import trl


class FrozenTrainer(trl.GRPOTrainer):
    """Gradients are those of the policy that drew the rollouts, the KL term's too: no re-weighting and no clipping."""

    def training_step(self, model, inputs, num_items_in_batch=None):
        """Loss of a step; its gradient is the kept one unless the batch is new."""
        if self.state.global_step % self.num_iterations == 0:
            loss = super().training_step(model, inputs, num_items_in_batch)
            self._kept = [None if w.grad is None else w.grad.detach().clone() for w in model.parameters()]
            return loss
        super().training_step(model, inputs, num_items_in_batch)
        for weight, kept in zip(model.parameters(), self._kept, strict=True):
            weight.grad = None if kept is None else kept.clone()
        return torch.zeros((), device=self.args.device)
