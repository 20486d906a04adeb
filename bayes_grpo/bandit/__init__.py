"""The softmax bandit: GRPO where the reduction to an oscillator is exact, as a source of runs with known truth."""

from bayes_grpo.bandit.drift import Linearised, linearise
from bayes_grpo.bandit.setting import Bandit
from bayes_grpo.bandit.simulate import simulate, trajectories

__all__ = ["Bandit", "Linearised", "linearise", "simulate", "trajectories"]
