"""Comparisons, plans and choices of checkpoints, held against what came out."""
