"""
Is A better than B?
===================

Two configurations with two seeds each: which is better, how surely, and what would settle it.
"""

import bayes_grpo
from bayes_grpo.bandit import Bandit, simulate

# %%
# A has a weaker pull to the reference policy than B (KL weight 0.3 and 0.5), so its plateau is higher. Nothing in the
# logs says so but the rewards. The truth is printed beside: the expected reward of the policy at the end.

configurations = {"A": 0.3, "B": 0.5}
fits = {}
for name, kl in configurations.items():
    runs = simulate(Bandit(kl=kl, prompts_per_step=16, steps=380), seeds=[0, 1])
    print(f"{name}: the truth at the end is", runs["evaluation_reward"][:, -1].values.round(3))
    fits[name] = [bayes_grpo.fit(runs.isel(run=[i]), seed=0) for i in (0, 1)]

result = bayes_grpo.contrast(fits, lengths=False)
print(bayes_grpo.summarise_contrast(result, worth=0.02)["statement"])

# %%

figure = bayes_grpo.plot_contrast(result)

# %%
# With one seed a side
# --------------------
#
# The same question with the first seed of each. The spread between seeds is then that of other runs, as the notes say,
# and one seed is enough only where the difference is far larger than that.

one_seed = bayes_grpo.contrast({name: seeds[:1] for name, seeds in fits.items()})
summary = bayes_grpo.summarise_contrast(one_seed, worth=0.02)
print(summary["statement"])
for note in summary["warnings"]:
    print("-", note)

# %%
# On the command line: ``bayes-grpo contrast A0 A1 --against B0 B1``. More: :doc:`/decisions`.
