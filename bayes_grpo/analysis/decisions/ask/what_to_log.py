"""What a log lacks, the most useful first: settings that had to be assumed, channels that would tell failures apart."""

import json

import numpy as np
import xarray as xr

from bayes_grpo.analysis.diagnosis.channel_priors import CHANNELS
from bayes_grpo.analysis.diagnosis.diagnose import untold
from bayes_grpo.analysis.diagnosis.modes import MODES
from bayes_grpo.analysis.diagnosis.summary import DiagnosisSummary
from bayes_grpo.runs.fields import RUN_FIELDS

#: Settings that scale an answer, in the order of what they change: how a person states them.
_SETTINGS = {
    "reward_upper": "the reward's bounds (--reward-bounds)",
    "group_size": "the group size (--group-size)",
    "planned_steps": "the planned length (--planned-steps)",
    "prompts_per_step": "the prompts a step (--prompts-per-step)",
    "refresh_interval": "the updates on a batch (--refresh-interval)",
    "momentum": "the optimizer's momentum (--momentum)",
}
#: Channels that tell how fast importance ratios spread, of which one is enough.
_REUSE = ("clip_ratio", "update_kl", "effective_sample_share", "log_ratio_variance")


def what_to_log(result: xr.DataTree, health: DiagnosisSummary | None) -> list[str]:
    """What would tell more: settings, channels that decide a failure, the channels of reuse, then all other channels.

    Parameters
    ----------
    result : xarray.DataTree
        From `bayes_grpo.ask`.
    health : dict or None
        The summary of its diagnosis, where there is one.
    """
    known, columns = set(json.loads(result.attrs["hyperparameters"])), set(json.loads(result.attrs["columns"]))
    assert set(_SETTINGS) <= set(RUN_FIELDS)
    items = [text for name, text in _SETTINGS.items() if name not in known]
    interval = float(result.attrs["refresh_interval"])
    reused = not np.isfinite(interval) or interval > 1
    if health is not None:
        channels = [str(name) for name in result["diagnosis"].to_dataset()["channel"].values]
        decisive = [MODES[name].decisive for name in untold(channels)]
        missing = sorted(
            # A column that never varies is logged, and yet tells the diagnosis nothing.
            (name for name in CHANNELS if name not in channels and name not in health["unused_channels"]),
            key=lambda name: (name not in decisive, name),
        )
        deciding = [_named(name) for name in missing if name in decisive]
        others = [_named(name) for name in missing if name not in decisive]
    else:
        deciding, others = [], []
    rates = [] if "learning_rate" in columns else ["the learning rate"]
    ratios = ["the clip ratio or the KL to the rollout policy"] if reused and not columns & set(_REUSE) else []
    if ratios:
        deciding, others = ([name for name in names if name != "clip ratio"] for names in (deciding, others))
    return list(dict.fromkeys([*items[:3], *rates, *deciding, *ratios, *items[3:], *others]))


def _named(channel: str) -> str:
    """A channel, and what would supply it."""
    supply = CHANNELS[channel].supply
    return f"{CHANNELS[channel].title} ({supply.split(' (')[0]})" if supply else CHANNELS[channel].title
