"""The law as seen by PyTensor: log densities of the rewards as an Op with a gradient, and simulated rewards."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from jax import Array
from pytensor.link.jax.ops import JAXOp

from bayes_grpo.errors import InputError
from bayes_grpo.inference.evaluate import over_runs
from bayes_grpo.inference.layout import Observed, Prepared
from bayes_grpo.laws import likelihood
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.models.spec import ModelSpec


class LawOp(JAXOp):
    """A JAX function of float arrays as an Op, as `pytensor.wrap_jax` makes one; it refuses to run in a forked process.

    JAX has threads, which a fork does not copy: the child would wait for them forever.
    """

    def __init__(self, inputs: Sequence[Any], outputs: Sequence[Any], function: Callable[..., Any], name: str) -> None:
        super().__init__(inputs, outputs, function, name)
        self.process = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle: where it comes to by this way, in a process of its own, it can compute."""
        self.__dict__.update(state, process=os.getpid())

    def perform(self, node: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Compute; called by every linker but JAX's, which compiles the function into its own program."""
        if os.getpid() != self.process:
            raise InputError(
                "pm.sample",
                "this model computes with JAX, which hangs in forked processes, and PyMC's own sampler forks one "
                "a chain; "
                'sample with pm.sample(nuts_sampler="nutpie", backend="jax"), with nuts_sampler="numpyro", or '
                "with cores=1",
            )
        super().perform(node, inputs, outputs)

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], output_gradients: Sequence[Any]) -> Any:
        """Gradient as another such Op."""

        def back(*values: Array) -> tuple[Array, ...]:
            _, pull = jax.vjp(self.jax_func, *values[:-1])
            given: tuple[Array, ...] = pull((values[-1],))
            return given

        op = LawOp([*self.input_types, *self.output_types], self.input_types, back, f"gradient_of_{self.name}")
        return op(*inputs, *output_gradients, return_list=True)


class Rewards:
    """Rewards of the runs that a model is given, at their observations, as functions of the law's parameters.

    Parameters
    ----------
    spec, prepared, observed
        The model, the runs laid out for it, and where their rewards stand.
    """

    def __init__(self, spec: ModelSpec, prepared: Prepared, observed: Observed) -> None:
        self.spec = spec
        self.data: RunData = jax.tree.map(jnp.asarray, prepared.data.run)
        where = (observed.run, observed.position)
        self.at = where if spec.pooled else where[1:]
        self._simulate = jax.jit(self._simulated)

    def log_density(self, rewards: Any, *parameters: Any) -> Any:
        """Pointwise terms log p(y_t | y_<t) of symbolic rewards, shape (observation,)."""
        inputs = [pt.as_tensor(value, dtype="float64") for value in (rewards, *parameters)]
        count = self.at[0].size
        types = [pt.TensorType("float64", shape=(count,)), *(value.type for value in inputs[1:])]
        op = LawOp(types, [types[0]], lambda *values: (self._terms(*values),), name="law")
        return op(*inputs)

    def derived(self, *parameters: Any) -> dict[str, Any]:
        """Quantities that follow from symbolic parameters, of their shape."""
        inputs = [pt.as_tensor(value, dtype="float64") for value in parameters]
        function = over_runs(self.spec, likelihood.derived)
        shapes = jax.eval_shape(
            lambda *values: function(self._named(values), self.data), *(jnp.zeros(self._shape) for _ in inputs)
        )
        out = {}
        for name in shapes:

            def one(*values: Array, name: str = name) -> tuple[Array]:
                return (function(self._named(values), self.data)[name],)

            types = [value.type for value in inputs]
            out[name] = LawOp(types, [pt.TensorType("float64", shape=self._shape)], one, name=name)(*inputs)
        return out

    def random(self, *parameters: Any, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        """Simulated rewards, shape (observation,); the last parameter, their steps, only gives the shape."""
        key = jax.random.key(int(rng.integers(2**63)))
        return np.asarray(self._simulate([jnp.asarray(value) for value in parameters[:-1]], key))

    @property
    def _shape(self) -> tuple[int, ...]:
        """Shape of a parameter: a model that pools has a value a run."""
        return np.shape(self.data.closed_form_mass)

    def _named(self, parameters: Sequence[Array]) -> dict[str, Array]:
        return dict(zip(self.spec.parameters, parameters, strict=True))

    def _terms(self, rewards: Array, *parameters: Array) -> Array:
        grid = self.data.grid
        value: Any = jnp.asarray(grid.value).at[self.at].set(rewards)
        data = self.data._replace(grid=grid._replace(value=value))
        found = over_runs(self.spec, _log_density)(self._named(parameters), data)[self.at]
        # As in `likelihood.log_likelihood`: no density where the law explodes beyond floating point.
        terms: Array = jnp.where(jnp.isfinite(found), found, -jnp.inf)
        return terms

    def _simulated(self, parameters: Sequence[Array], key: Array) -> Array:
        keys = jax.random.split(key, self._shape) if self.spec.pooled else key
        _, logged = over_runs(self.spec, likelihood.simulated)(self._named(parameters), self.data, keys)
        rewards: Array = logged[self.at]
        return rewards


def _log_density(law: Any, parameters: Any, data: RunData) -> Array:
    return likelihood.filtered(law, parameters, data).log_density
