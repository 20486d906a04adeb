"""What a fit needs to know of a run beside its rewards, and what it assumes where that is unknown."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from bayes_grpo.errors import InputError
from bayes_grpo.laws.oscillator import closed_form_mass, mean_age
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import hyperparameters_of

DEFAULT_MOMENTUM = 0.9
#: What the balance law is given: where nothing is known, a place in the reward's range (for the KL weight: its value)
#: and the standard deviation of its logit (logarithm); a known one has `KNOWN_SD`.
BALANCE = {
    "kl_weight": (0.04, 2.0),
    "reference_reward": (0.2, 1.5),
    "wrong_reward": (0.02, 1.0),
    "right_reward": (0.98, 1.0),
}
KNOWN_SD = 0.02
#: Scatter of a one-step mean reward where nothing is known: a share of the reward's range, and the standard deviation
#: of its logarithm.
SCATTER, SCATTER_SD = 0.05, 1.0
#: The same where the completions of a step are counted. A reward of 0 or 1 has standard deviation 0.35 in the root mean
#: square over all probabilities; completions of one prompt are between independent and alike, so a step of B prompts
#: and G completions counts B sqrt(G).
REWARD_SD, COUNTED_SD = 0.35, 0.5


@dataclass(frozen=True)
class Setting:
    """Known and assumed quantities of one run.

    ``values`` holds every quantity that priors may use (`bayes_grpo.models.spec.QUANTITIES`), ``logging_window``,
    ``mean_age`` of the rollouts (step) and, where logged, the peak ``learning_rate``; ``assumptions`` says, for each
    that was not known and that the model needs, what was assumed and what that costs.
    """

    values: dict[str, float]
    assumptions: dict[str, str] = field(default_factory=dict)
    group_size_known: bool = True


def settle(run: xr.Dataset, spec: ModelSpec) -> Setting:
    """Collect a run's quantities for a model.

    Parameters
    ----------
    run : xarray.Dataset
        A single run, dims (step), from `bayes_grpo.runs.dataset.one_run`.
    spec : ModelSpec
        The model; only what it needs is reported as assumed.

    Raises
    ------
    InputError
        If the learning rate is logged as zero throughout.
    """
    known, costs = hyperparameters_of(run), spec.law.needs()
    steps = run["optimizer_step"].values
    values = dict(known)
    assumed: dict[str, str] = {}
    _settle_optimizer(costs, values, assumed)
    _settle_length(steps, values, assumed)
    _settle_bounds(run["reward"].values, values, assumed, inside="plateau" in spec.parameters)
    values["reward_range"] = values["reward_upper"] - values["reward_lower"]
    _settle_window(steps, values, assumed)
    _settle_learning_rate(run, costs, values, assumed)
    _settle_scatter(known, values, "reward_bounds" in assumed)
    _settle_balance(run, known, values, {name: costs[name] for name in BALANCE if name in costs}, assumed)
    if spec.law.groups.finite and known.get("group_size", 2.0) < 2:
        raise InputError(
            _source(run),
            f"group_size: {spec.name} needs groups of at least 2, found {known['group_size']:g}: one completion has no "
            "group to compare with; use a model without finite_groups",
        )
    return Setting(values, assumed, "group_size" in known)


def _source(run: xr.Dataset) -> str:
    """The file of a run, else its label, for messages."""
    return str(run["source"].values) or str(run["run"].values)


def _settle_optimizer(costs: Mapping[str, str], values: dict[str, float], assumed: dict[str, str]) -> None:
    """Group size, momentum and refresh interval, and the mass and the age of rollouts that follow from them."""
    assumptions = {
        "group_size": "group size unknown: {cost}; state --group-size",
        "momentum": f"momentum unknown: assumed {DEFAULT_MOMENTUM} (beta1 of Adam, the trainers' default); {{cost}}; "
        "state --momentum",
        "refresh_interval": "refresh interval unknown: assumed 1 (fresh rollouts), {cost}; state --refresh-interval",
    }
    for name, text in assumptions.items():
        if name not in values and name in costs:
            assumed[name] = text.format(cost=costs[name])
    values.setdefault("group_size", 1.0)
    values.setdefault("momentum", DEFAULT_MOMENTUM)
    values["closed_form_mass"] = closed_form_mass(values["momentum"])
    values["mean_age"] = mean_age(values.get("refresh_interval", 1.0))


def _settle_length(steps: np.ndarray, values: dict[str, float], assumed: dict[str, str]) -> None:
    """The planned length, which is at least that of the log."""
    if "planned_steps" not in values:
        values["planned_steps"] = float(steps[-1] - min(steps[0], 0.0))
        assumed["planned_steps"] = (
            f"planned length unknown: took the last logged step, {steps[-1]:g}; the prior of stiffness is scaled by "
            "it; state --planned-steps"
        )
    values["planned_steps"] = max(values["planned_steps"], float(np.ptp(steps)), 1.0)


def _settle_window(steps: np.ndarray, values: dict[str, float], assumed: dict[str, str]) -> None:
    """Over how many steps a row is a mean: where unknown, one, which is said where rows are farther apart."""
    if "logging_window" in values:
        return
    values["logging_window"] = 1.0
    gaps = np.diff(steps)
    spacing = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
    if spacing > 1:
        assumed["logging_window"] = (
            f"rows are {spacing:g} steps apart and it is unknown whether each is a mean over them: assumed that it is "
            "not; if it is, fluctuation is underestimated; state --logging-window"
        )


def _settle_learning_rate(
    run: xr.Dataset, costs: Mapping[str, str], values: dict[str, float], assumed: dict[str, str]
) -> None:
    """The peak learning rate."""
    if "learning_rate" not in run:
        if "learning_rate" in costs:
            assumed["learning_rate"] = f"learning rate not logged: assumed constant; {costs['learning_rate']}"
        return
    peak = float(run["learning_rate"].max())
    if peak <= 0:
        raise InputError(
            _source(run),
            "learning_rate: expected a positive value in some row, found none; nothing was trained, or the column is "
            "wrong",
        )
    values["learning_rate"] = peak


def _settle_scatter(known: dict[str, float], values: dict[str, float], assumed_bounds: bool) -> None:
    """What is known of the scatter of a logged mean reward before any is seen: centre and width of its logarithm.

    Bounds that were guessed from rewards outside 0 to 1 say nothing of a single reward's scatter.
    """
    counted = {"group_size", "prompts_per_step"} <= known.keys()
    if counted and not (assumed_bounds and (values["reward_lower"], values["reward_upper"]) != (0.0, 1.0)):
        count = values["prompts_per_step"] * math.sqrt(values["group_size"])
        share, width = REWARD_SD / math.sqrt(count), COUNTED_SD
    else:
        share, width = SCATTER, SCATTER_SD
    values["observation_sd_centre"] = math.log(share * values["reward_range"])
    values["observation_sd_sd"] = width


def _settle_balance(
    run: xr.Dataset,
    known: dict[str, float],
    values: dict[str, float],
    costs: dict[str, str],
    assumed: dict[str, str],
) -> None:
    """Centres and widths of what the balance law is given, and the share of the drive that was clipped."""
    bounds = (values["reward_lower"], values["reward_upper"])
    if costs and bounds != (0.0, 1.0):
        raise InputError(
            _source(run),
            f"reward bounds: the balance law is for rewards between 0 and 1, found {bounds[0]:g} to {bounds[1]:g}; use "
            "another law",
        )
    for name, (place, width) in BALANCE.items():
        stated = name in known
        if not stated and name in costs:
            assumed[name] = f"{name} unknown: {costs[name]}"
        if stated and name != "kl_weight":
            place = (known[name] - values["reward_lower"]) / values["reward_range"]
        elif stated:
            place = known[name]
        place = max(place, 1e-6) if name == "kl_weight" else min(max(place, 1e-3), 1 - 1e-3)
        values[f"{name}_centre"] = math.log(place) if name == "kl_weight" else math.log(place / (1 - place))
        values[f"{name}_sd"] = KNOWN_SD if stated else width
    share = run["clip_ratio"].values if "clip_ratio" in run else np.zeros(1)
    values["clipped"] = float(np.nanmean(share)) if np.isfinite(share).any() else 0.0


def _settle_bounds(reward: np.ndarray, values: dict[str, float], assumed: dict[str, str], *, inside: bool) -> None:
    """Fill in missing reward bounds by round numbers well outside the data, so that priors hardly see the data.

    ``inside`` says whether the model seeks the plateau inside them; one that states it as a rise does not.
    """
    if "reward_lower" in values and "reward_upper" in values:
        return
    low, high = float(np.nanmin(reward)), float(np.nanmax(reward))
    if low >= 0 and high <= 1:
        lower, upper = 0.0, 1.0
    else:
        span = high - low
        unit = 10.0 ** math.ceil(math.log10(span)) / 2
        lower, upper = math.floor((low - span) / unit) * unit, math.ceil((high + span) / unit) * unit
    lower, upper = values.get("reward_lower", lower), values.get("reward_upper", upper)
    values["reward_lower"], values["reward_upper"] = lower, upper
    assumed["reward_bounds"] = (
        f"reward bounds unknown: assumed {lower:g} to {upper:g}; {'plateau is sought inside them and ' * inside}priors "
        "are scaled by them; state --reward-bounds LOWER UPPER"
    )
