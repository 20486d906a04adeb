"""Figures are drawn without a display, and JAX computes on the CPU, whose 64-bit results the tests expect."""

import os

os.environ["MPLBACKEND"] = "Agg"
os.environ["JAX_PLATFORMS"] = "cpu"
