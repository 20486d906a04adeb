"""Inference back ends: each reads as one probabilistic program built from a model file."""
