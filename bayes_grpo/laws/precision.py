"""Importing this module switches JAX to 64-bit floats: in 32 bits the filter's variances cancel away."""

import jax

jax.config.update("jax_enable_x64", True)
