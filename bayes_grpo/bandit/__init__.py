"""The softmax bandit, a simulator whose truth is known.

In: settings of a trainer and of a task with a few arms. Out: runs as `bayes_grpo.read_run` gives them, and in closed
form the plateau, stiffness and temperature that a fit should find. For a bandit the reduction of GRPO to an oscillator
is exact.
"""

from bayes_grpo.bandit.drift import Linearised, linearise
from bayes_grpo.bandit.setting import Bandit
from bayes_grpo.bandit.simulate import simulate, trajectories

__all__ = ["Bandit", "Linearised", "linearise", "simulate", "trajectories"]
