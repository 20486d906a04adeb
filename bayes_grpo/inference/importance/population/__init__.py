"""Importance sampling of runs that are fitted together: the population's parameters and the runs' apart."""
