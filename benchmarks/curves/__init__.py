"""Forecasts of reward curves from a part of them: the runs, the contract of a forecaster, scores and a leaderboard."""
