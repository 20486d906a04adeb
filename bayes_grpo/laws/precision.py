"""Importing this module switches JAX to 64-bit floats: with 32 bits the filter's variances lose all their digits."""

import jax

jax.config.update("jax_enable_x64", True)
