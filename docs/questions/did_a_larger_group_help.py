"""
Did a larger group help?
========================

Runs of two group sizes are compared: the plateau, the steps to it, and the scatter of the rewards, by seeds.
"""

import bayes_grpo
from bayes_grpo.bandit import Bandit, simulate

# %%
# Two seeds each of 4 and of 16 completions a prompt, simulated. The truth is printed beside: the expected reward of the
# policy at the end, which no trainer can log.

fits = {}
for size in (4, 16):
    runs = simulate(Bandit(group_size=size, prompts_per_step=16, kl=0.5, learning_rate=0.05, steps=380), seeds=[0, 1])
    print(f"G={size}: the truth at the end is", runs["evaluation_reward"][:, -1].values.round(3))
    fits[f"G={size}"] = [bayes_grpo.fit(runs.isel(run=[i]), seed=0) for i in (0, 1)]

result = bayes_grpo.contrast(fits, lengths=False)
print(bayes_grpo.summarise_contrast(result, worth=0.02)["statement"])

# %%
# Every measure that the logs tell is compared.

figure = bayes_grpo.plot_contrast(result)

# %%
# At equal completions
# --------------------
#
# A step of 16 completions a prompt costs four times as much as one of 4. ``reward_at_completions`` compares at what was
# paid:

by_cost = bayes_grpo.summarise_contrast(result, by="reward_at_completions")
print(by_cost["statement"])
for measure, row in by_cost["differences"].items():
    print(f"P({by_cost['first']} is better by {measure}) = {row['probability_better']:.2f}")

# %%
# Whether a larger group did *more* than lower the noise is a question of its own, with a test that predicts runs of one
# group size from those of the others: ``bayes-grpo invariance RUN...`` (:doc:`/invariance`; it takes a minute or more).
