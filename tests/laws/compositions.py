"""Every law with every composition of corrections that a model file allows, and a run and parameters to try them on."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from bayes_grpo.laws.corrections import CHOICES
from bayes_grpo.laws.dynamics import laws, load_law
from bayes_grpo.laws.finite_groups import group_factor_table
from bayes_grpo.laws.grid import Grid
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.laws.units import UNITS
from bayes_grpo.models.files import load_model
from tests.common import ROOT

#: The law that the documentation adds keeps the contract, too.
EXAMPLE = ROOT / "docs" / "examples" / "richards.py"
load_law(EXAMPLE)
#: Units of all parameters and derived quantities; a law of one's own states some with its priors.
ALL_UNITS = UNITS | {name: prior.unit for name, prior in load_model(EXAMPLE.with_suffix(".toml")).parameters.items()}

#: What a model file chooses, and the law that it gets.
Composition = tuple[dict[str, Any], Law]

#: A value of every parameter, far from those where derivatives vanish.
VALUES = {
    "plateau": 1.9,
    "initial_reward": 0.4,
    "rise": 0.4,
    "stiffness": 0.12,
    "damping": 0.9,
    "lag_share": 0.6,
    "initial_velocity": 0.7,
    "mass": 3.0,
    "fluctuation": 0.15,
    "noise_ratio": 0.8,
    "step_sd": 0.06,
    "observation_sd": 0.2,
    "midpoint": 4.0,
    "steepness": 1.7,
    "temperature_exponent": 0.8,
    "observation_exponent": 0.6,
    "temperature_share": 0.3,
    "observation_share": 0.4,
    "kl_weight": 0.4,
    "reference_reward": 0.3,
    "wrong_reward": 0.1,
    "right_reward": 2.2,
    "shape": 1.6,
    "difficulty_spread": 0.8,
    "initial_drive": 0.2,
    "correlation_time": 3.0,
}

#: Time from one row's end to the next (step) and learning rate over its peak in it.
GAPS = np.array([0.0, 1, 1, 2, 0.5, 3, 1, 1, 2, 4])
RATES = np.array([0.3, 0.4, 0.6, 0.8, 1, 1, 0.9, 0.8, 0.7, 0.5])
GROUP_SIZE, REFERENCE_GROUP, RELATIVE_PROMPTS, MEAN_AGE, MASS = 4.0, 8.0, 1.5, 1.5, 2.5
LOWER, RANGE, CLIPPED = -0.5, 3.0, 0.1


def run_data() -> RunData:
    """Ten rows: irregular gaps, warm-up and decay, a mean over two points, a row without a reward, a repeated step."""
    n = GAPS.size
    observed, points, spacing, repeats, scatter = (np.full(n, value) for value in (1.0, 1.0, 1.0, 1.0, 0.0))
    observed[[4, 7]], points[8] = 0.0, 2.0
    repeats[5], scatter[5] = 2.0, 0.02
    value = np.array([0.5, 0.7, 0.6, 1.0, 0.0, 1.3, 1.2, 0.0, 1.6, 1.7])
    grid = Grid(
        gap=GAPS - (points - 1) * spacing,
        rate=RATES,
        points=points,
        spacing=spacing,
        digits=(points - 1)[None],
        kind=np.arange(n),
        blend=None,
        value=value,
        noise=np.ones(n),
        repeats=repeats,
        scatter=scatter,
        observed=observed,
        start_rate=np.asarray(0.3),
    )
    return RunData(
        grid=grid,
        duration=float(GAPS.sum()),
        closed_form_mass=MASS,
        mean_age=MEAN_AGE,
        group_size=GROUP_SIZE,
        reference_group=REFERENCE_GROUP,
        relative_prompts=RELATIVE_PROMPTS,
        resolution=0.003,
        reward_lower=LOWER,
        reward_range=RANGE,
        log_group_factor=group_factor_table(GROUP_SIZE),
        clipped=CLIPPED,
    )


def parameters_of(law: Law) -> dict[str, Array]:
    """A value of each parameter."""
    return {name: jnp.asarray(VALUES[name]) for name in law.parameters()}


def compositions(kind: type[Law]) -> Iterator[Composition]:
    """What a model file can choose for a law, and the law that it gets; what the law itself refuses is left out."""
    keys = [key for key in CHOICES if key in kind.keys]
    for noise, *values in product((True, False), *(CHOICES[key].values for key in keys)):
        chosen = dict(zip(keys, values, strict=True))
        law = kind(noise, **{CHOICES[key].field: CHOICES[key].values[value] for key, value in chosen.items()})
        if not law.faults():
            yield {"dynamics": kind.name, "process_noise": noise} | chosen, law


def cover(everything: Iterable[Composition], together: int) -> Iterator[Composition]:
    """A few of many compositions that hold every choice (``together`` = 1) or every pair of choices (2) of the many.

    Chosen greedily: the composition with most that was not seen yet comes next.
    """
    candidates = list(everything)
    unseen = [set(combinations(chosen.items(), together)) for chosen, _ in candidates]
    while any(unseen):
        best = max(range(len(unseen)), key=lambda index: len(unseen[index]))
        seen = set(unseen[best])
        unseen = [entries - seen for entries in unseen]
        yield candidates[best]


def name_of(chosen: dict[str, Any]) -> str:
    """The dynamics, and the choices that are not the default."""
    defaults = {"process_noise": True} | {key: next(iter(choice.values)) for key, choice in CHOICES.items()}
    others = [f"{key}={value}" for key, value in chosen.items() if key in defaults and value != defaults[key]]
    return "-".join([chosen["dynamics"], *others]).lower()


def mixed(kind: type[Law]) -> list[Composition]:
    """All compositions in an order that mixes the choices."""
    everything = list(compositions(kind))
    return [everything[index] for index in np.random.default_rng(86).permutation(len(everything))]


EVERY_LAW = [law for kind in laws().values() for _, law in compositions(kind)]
#: Every pair of choices.
PAIRS = [composition for kind in laws().values() for composition in cover(compositions(kind), 2)]
#: Every choice, of laws that are linear in the reward.
LINEAR = [c for kind in laws().values() for c in cover((c for c in mixed(kind) if c[1].linear), 1)]
#: Each way not to be linear in the reward, with some of the other choices.
CURVED = [
    composition
    for kind in laws().values()
    for composition in {
        (chosen.get("coordinate"), chosen.get("finite_groups")): (chosen, law)
        for chosen, law in mixed(kind)
        if not law.linear
    }.values()
]
