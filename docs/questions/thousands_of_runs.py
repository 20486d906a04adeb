"""
Thousands of runs
=================

Every run of every log is fitted by itself, and a table has a row a run; what is finished is kept.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import bayes_grpo
from bayes_grpo.bandit import Bandit, simulate

# %%
# A folder of logs. Six stand for thousands, in three settings of two seeds; a seventh cannot be read.

folder = Path(tempfile.mkdtemp())
for kl in (0.2, 0.4, 0.8):
    runs = simulate(Bandit(kl=kl, prompts_per_step=16, steps=380), seeds=[0, 1])
    for seed in range(2):
        frame = runs.isel(run=seed)[["optimizer_step", "reward"]].to_dataframe()
        frame.to_csv(folder / f"kl_{kl:g}_seed_{seed}.csv", index=False)
(folder / "broken.csv").write_text("this is no log\n")

table = bayes_grpo.batch(
    [str(folder / "*.csv")],
    folder / "sweep",
    workers=1,
    method="importance",
    reading={"hyperparameters": {"reward_lower": 0, "reward_upper": 1}},
)

# %%
# ``method="importance"`` keeps every fit to a second: one that cannot be trusted is marked in the column
# ``converged`` and not made again by NUTS, as it is by default.

table["log"] = table["source"].map(lambda path: Path(path).name)
table[["log", "plateau_median", "plateau_lower", "plateau_upper", "converged", "error"]]

# %%
# The table is a parquet file as well. Ask it what you like.

fitted = table[table["error"].isna()].sort_values("plateau_median")
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
middle = fitted["plateau_median"]
reach = [middle - fitted["plateau_lower"], fitted["plateau_upper"] - middle]
axes.errorbar(middle, fitted["log"], xerr=reach, fmt="o", capsize=3)
axes.set(xlabel="plateau, 90 % interval (reward)")
plt.show()

# %%
# The command, interrupted and given again, goes on where it stopped: ``bayes-grpo batch 'runs/*' --out sweep``. Time a
# run, clusters and what happens when something goes wrong: :doc:`/batch`.
