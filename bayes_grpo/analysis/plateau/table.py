"""The plateau before training as text."""

from typing import Any

from bayes_grpo.analysis.tables import render, titled, wrapped


def plateau_text(result: dict[str, Any]) -> str:
    """The answer in two sentences, then plateaus over group sizes and KL weights."""
    size, kl = result["group_size"], result["kl"]
    gain = result["plateau"] - result["start"]
    lines = [
        f"The reward settles at {result['plateau']:.3f}: it starts at {result['start']:.3f}, gains {gain:.3f}, and "
        f"stays below the ceiling of {result['ceiling']:.3f}.",
        f"There {result['zero_spread_share']:.0%} of the groups give no gradient, and groups of {size:g} leave "
        f"{result['group_factor']:.0%} of the drive of infinite ones.",
    ]
    if kl == 0:
        lines[0] = (
            "Without a KL term nothing holds the policy back: the reward rises towards its ceiling of "
            f"{result['ceiling']:.3f}, ever more slowly."
        )
    table = titled("plateau, by group size and KL weight")
    table.add_column("G", justify="right", no_wrap=True)
    for weight in result["table"]["kl"]:
        table.add_column(f"b = {weight:g}", justify="right", no_wrap=True)
    for group, row in zip(result["table"]["group_size"], result["table"]["plateau"], strict=True):
        table.add_row("infinite" if group is None else f"{group:g}", *(f"{reward:.3f}" for reward in row))
    return "\n".join([*map(wrapped, lines), render(table)])
