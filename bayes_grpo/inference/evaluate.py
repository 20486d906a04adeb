"""What a model says of posterior draws.

Derived quantities, densities, expected and simulated rewards, compiled once a structure.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random
from jax.typing import ArrayLike

from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.programs import Program
from bayes_grpo.inference.threads import on_all_cores
from bayes_grpo.laws import likelihood
from bayes_grpo.laws.ahead import Ahead, ahead
from bayes_grpo.laws.law import Law
from bayes_grpo.laws.run_data import Parameters, RunData
from bayes_grpo.models.spec import ModelSpec

#: Recorded values of a batch of draws, leading dimension draws.
Values = Mapping[str, ArrayLike]

#: Draws computed in one call, and the most numbers of one row each that a call may hold.
_BATCH, _MOST_NUMBERS = 250, 400_000
#: Share of the kernel's memory maps at which compiled programs are dropped, see `forget_programs`.
MOST_MAPS = 0.6


class Account(NamedTuple):
    """What the rewards of a run say at one draw, shape (draw, n), or (draw, run, n) of runs fitted together.

    ``log_density`` holds log p(y_t | y_<t), ``leave_one_out`` log p(y_t | all other y), and ``expected_reward`` a draw
    of the expected reward in each row given all rows.
    """

    log_density: np.ndarray
    leave_one_out: np.ndarray
    expected_reward: np.ndarray


class Structure:
    """A model hashed by what a compiled program depends on, so that edited prior numbers share the program."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def __hash__(self) -> int:
        return hash(self.spec.structure)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self.spec.structure == other.spec.structure


def _pointwise(law: Law, parameters: Parameters, run: RunData) -> Array:
    return likelihood.filtered(law, parameters, run).log_density


def over_runs(spec: ModelSpec, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (law, parameters, run, ...) with the law given, mapped over the runs of a model that pools."""
    given = partial(function, spec.law)
    return jax.vmap(given) if spec.pooled else given


def recorded(spec: ModelSpec) -> list[str]:
    """Names of all that is reported of a draw: what has a prior, and the parameters drawn from a population."""
    sites = [name for name, _ in spec.sites()]
    return [*sites, *(name for name in spec.parameters if name not in sites)]


class Evaluator:
    """Functions of draws of a model's parameters; all take the run as data. Make one with `evaluator`.

    Parameters
    ----------
    spec : ModelSpec
        The model; only its structure is compiled in.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._derive = self._batched(likelihood.derived)
        self._pointwise = self._batched(_pointwise)
        self._account = self._batched(likelihood.account, likelihood.Account)
        self._left_out = self._batched(likelihood.left_out)
        self._simulate = self._batched(likelihood.simulated)
        self._ahead = Program(self._all_ahead, spec.structure, returns=(Ahead,))

    def derive(self, values: Values, data: ModelData) -> dict[str, np.ndarray]:
        """Quantities that follow from the parameters, shape (draw,) or (draw, run)."""
        derived: dict[str, np.ndarray] = self._call(self._derive, values, data)
        return derived

    def pointwise(self, values: Values, data: ModelData) -> np.ndarray:
        """Terms log p(y_t | y_<t), shape (draw, n) or (draw, run, n)."""
        return np.asarray(self._call(self._pointwise, values, data))

    def account(self, values: Values, data: ModelData, rng: np.random.Generator) -> Account:
        """All that the rewards say at each draw, from one pass of filter and smoother."""
        return Account(*self._call(self._account, values, data, rng))

    def left_out(self, values: Values, data: ModelData, rng: np.random.Generator) -> np.ndarray:
        """A draw of each reward from p(y_t | all other y), shape (draw, n) or (draw, run, n)."""
        return np.asarray(self._call(self._left_out, values, data, rng))

    def simulate(self, values: Values, data: ModelData, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Simulated expected and logged rewards, each of shape (draw, n) or (draw, run, n)."""
        path, logged = self._call(self._simulate, values, data, rng)
        return path, logged

    def ahead(self, values: Values, run: RunData, last: int, rng: np.random.Generator) -> Ahead:
        """The rows after the last reward, at grid row ``last``, of one run; entries of shape (draw, n)."""
        parameters = {name: np.asarray(values[name]) for name in self.spec.parameters}
        count = next(iter(parameters.values())).shape[0]
        bits = rng.integers(0, 2**32, size=(count, 2), dtype=np.uint32)
        return Ahead(*in_batches(self._ahead, parameters, (run, np.int32(last)), np.size(run.grid.value), bits))

    def _batched(self, function: Callable[..., Any], *returns: type) -> Program:
        """A compiled function of (law, parameters, run, ...) over a batch of draws."""
        over = over_runs(self.spec, function)

        def each(values: dict[str, Array], data: ModelData, *bits: Array) -> Any:
            runs = jnp.shape(data.run.closed_form_mass)
            keys = [random.wrap_key_data(entry) for entry in bits]
            keys = [random.split(key, runs) if self.spec.pooled else key for key in keys]
            return over({name: jnp.broadcast_to(values[name], runs) for name in self.spec.parameters}, data.run, *keys)

        def batch(values: dict[str, Array], data: ModelData, *bits: Array) -> Any:
            return jax.vmap(each, (0, None, *(0 for _ in bits)))(values, data, *bits)

        return Program(batch, function.__qualname__, self.spec.structure, returns=returns)

    def _all_ahead(self, values: dict[str, Array], run: RunData, last: Array, bits: Array) -> Ahead:
        every: Ahead = jax.vmap(self._one_ahead, (0, None, None, 0))(values, run, last, bits)
        return every

    def _one_ahead(self, values: dict[str, Array], run: RunData, last: Array, bits: Array) -> Ahead:
        return ahead(self.spec.law, values, run, last, random.wrap_key_data(bits))

    def _call(
        self, function: Callable[..., Any], values: Values, data: ModelData, rng: np.random.Generator | None = None
    ) -> Any:
        parameters = {name: np.asarray(values[name]) for name in self.spec.parameters}
        count = next(iter(parameters.values())).shape[0]
        bits = [] if rng is None else [rng.integers(0, 2**32, size=(count, 2), dtype=np.uint32)]
        return in_batches(function, parameters, (data,), np.size(data.run.grid.value), *bits)


def in_batches(
    function: Callable[..., Any], values: dict[str, np.ndarray], fixed: tuple[Any, ...], rows: int, *bits: np.ndarray
) -> Any:
    """Call a function of draws in batches of one size, the last filled up with copies: one compiled program serves.

    Parameters
    ----------
    function : callable
        Of values with a leading dimension of draws, of what is ``fixed``, and of ``bits`` with that dimension.
    values : dict of str to numpy.ndarray
        Draws.
    fixed : tuple
        What is the same for all draws.
    rows : int
        Numbers that a draw takes; long runs are computed fewer draws at once.
    *bits : numpy.ndarray
        Keys of the draws.
    """
    count = next(iter(values.values())).shape[0]
    size = int(np.clip(_MOST_NUMBERS // rows, 1, _BATCH))

    def batch(first: int) -> Any:
        taken = np.minimum(np.arange(first, first + size), count - 1)
        part = function({name: value[taken] for name, value in values.items()}, *fixed, *(b[taken] for b in bits))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: count - first], part)

    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *on_all_cores(batch, range(0, count, size)))


def evaluator(spec: ModelSpec) -> Evaluator:
    """The functions of a model, made once a structure."""
    forget_programs(MOST_MAPS)
    return _evaluator(Structure(spec))


@lru_cache(maxsize=64)
def _evaluator(structure: Structure) -> Evaluator:
    return Evaluator(structure.spec)


def forget_programs(share: float) -> bool:
    """Drop all compiled programs where they hold more than this share of the memory maps that a process may have.

    A program of one model and one padded length holds up to 2,000 of (on Linux) 65,530; beyond, compilation aborts the
    process ("LLVM ERROR: Unable to allocate section memory"). Returns whether they were dropped; what is used again is
    compiled again.
    """
    try:
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
        held = Path("/proc/self/maps").read_bytes().count(b"\n")
    except (OSError, ValueError):  # not Linux
        return False
    if held < share * limit:
        return False
    jax.clear_caches()
    return True
