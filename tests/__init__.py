"""Tests; the folders mirror the package. Plots go to memory and computation to the processor."""

import os
import tempfile

# Libraries look at these when they are imported, so they are set here, before anything else of the tests.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# A program runs a few times here, and compiling it takes most of the time: half as long without optimisation.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

#: Folder in which workers, and processes that tests start, find compiled programs; None if the user named one.
COMPILED = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    COMPILED = os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="bayes_grpo_xla_")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
