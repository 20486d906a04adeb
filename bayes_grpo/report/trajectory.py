"""The reward curve with bands and forecast, as an SVG that reads out its values where JavaScript runs."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.ticker import MaxNLocator

from bayes_grpo.analysis.forecast.summary import ForecastSummary
from bayes_grpo.analysis.intervals import INTERVAL_PROB, Interval, IntervalRow, interval
from bayes_grpo.inference.draws import evenly
from bayes_grpo.report.words import number

#: At most this many logged rows are drawn and read out; of longer logs, evenly spaced ones.
MOST_ROWS = 500
_WIDTH, _HEIGHT = 720.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 704.0, 12.0, 322.0


class Chart(NamedTuple):
    """A chart: paths of the static SVG, ticks as (position, words), and the rows that are read out."""

    paths: dict[str, str]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    today: float | None
    data: dict[str, Any]
    alt: str
    thinned: bool


def trajectory_chart(fit: xr.DataTree, forecast: ForecastSummary | None, plateau: IntervalRow | None = None) -> Chart:
    """Chart of a run's rewards with the band of the expected reward, plateau and forecast.

    Parameters
    ----------
    fit : xarray.DataTree
        Of this run alone.
    forecast : dict or None
        Its forecast, from `bayes_grpo.summarise_forecast`.
    plateau : dict or None
        The plateau that the answers state; by default that of the fit.
    """
    observed = fit["observed_data"].to_dataset()["reward"]
    expected = fit["latent"].to_dataset()["expected_reward"]
    rows = evenly(observed.size, MOST_ROWS)
    steps = observed["optimizer_step"].values[rows]
    lower, median, upper = interval(expected.values[:, rows])
    past = np.column_stack([steps, observed.values[rows], median, lower, upper])
    level = _level(plateau)
    posterior = fit["posterior"].to_dataset()
    if level is None and "plateau" in posterior:
        level = interval(posterior["plateau"].values, axis=None)
    return _chart(past, _ahead(forecast), level, None, thinned=rows.size < observed.size)


def growing_chart(run: xr.Dataset, forecast: ForecastSummary | None) -> Chart | None:
    """Chart of a run that goes on: its rewards, and the last forecast, which later rewards may lie over.

    Parameters
    ----------
    run : xarray.Dataset
        Of one label, dim (step).
    forecast : dict or None
        The last forecast, if there is one yet.
    """
    rewards = run["reward"].values
    seen = np.flatnonzero(np.isfinite(rewards))
    if seen.size == 0:
        return None
    rows = seen[evenly(seen.size, MOST_ROWS)]
    past = np.column_stack([run["optimizer_step"].values[rows], rewards[rows]])
    today = None if forecast is None else forecast["last_step"]
    level = None if forecast is None else _level(forecast["plateau"])
    return _chart(past, _ahead(forecast), level, today, thinned=rows.size < seen.size)


def _level(row: IntervalRow | None) -> Interval | None:
    """A plateau of which all three numbers are known."""
    if row is None or row["median"] is None or row["lower"] is None or row["upper"] is None:
        return None
    return Interval(row["lower"], row["median"], row["upper"])


def _ahead(forecast: ForecastSummary | None) -> np.ndarray:
    """Rows to come: step, expected reward with its band, band of a logged reward."""
    if forecast is None:
        return np.zeros((0, 6))
    mean, logged = forecast["mean"], forecast["logged"]
    columns = (forecast["steps"], mean["median"], mean["lower"], mean["upper"], logged["lower"], logged["upper"])
    return np.column_stack(columns)


def _chart(
    past: np.ndarray, ahead: np.ndarray, level: Interval | None, origin: float | None, *, thinned: bool
) -> Chart:
    """Chart of rows with or without a band, and of those to come; ``origin`` is the step of the forecast."""
    steps = past[:, 0]
    x, y, x_ticks, y_ticks = _scales(past, ahead, level)
    data = {
        "x": [*x(steps).round(1).tolist(), *x(ahead[:, 0]).round(1).tolist()],
        "rows": [*_listed(past), *_listed(ahead)],
        "logged": len(past),
        "interval": INTERVAL_PROB,
    }
    today = float(x(steps[-1] if origin is None else origin)) if len(ahead) else None
    paths = _paths(past, ahead, level, x, y)
    return Chart(paths, x_ticks, y_ticks, today, data, _alt(past, ahead, level), thinned)


def _paths(past: np.ndarray, ahead: np.ndarray, level: Interval | None, x: Any, y: Any) -> dict[str, str]:
    """Dots, lines and bands as paths of the SVG; ``x`` and ``y`` place values on it."""
    steps = x(past[:, 0])
    paths = {"dots": "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(steps, y(past[:, 1]), strict=True))}
    if past.shape[1] > 2:
        paths |= {"band": band_path(steps, y(past[:, 3]), y(past[:, 4])), "line": line_path(steps, y(past[:, 2]))}
    if len(ahead):
        steps = x(ahead[:, 0])
        paths |= {
            "scatter": band_path(steps, y(ahead[:, 4]), y(ahead[:, 5])),
            "ahead": band_path(steps, y(ahead[:, 2]), y(ahead[:, 3])),
            "ahead-line": line_path(steps, y(ahead[:, 1])),
        }
    if level is not None:
        edge = np.array([_LEFT, _RIGHT])
        paths |= {
            "plateau": band_path(edge, np.full(2, y(level.lower)), np.full(2, y(level.upper))),
            "plateau-line": line_path(edge, np.full(2, y(level.median))),
        }
    return paths


def _scales(past: np.ndarray, ahead: np.ndarray, level: Interval | None) -> tuple[Any, Any, list[Any], list[Any]]:
    values = np.concatenate([past[:, 1:].ravel(), ahead[:, 1:].ravel()])
    least, most = float(values.min()), float(values.max())
    if level is not None:  # shown, but a hardly known one must not squeeze the rewards into a line
        room = 0.5 * (most - least)
        least, most = min(least, max(level.lower, least - room)), max(most, min(level.upper, most + room))
    margin = 0.04 * (most - least) or 1.0
    least, most = least - margin, most + margin
    first, last = float(past[0, 0]), float(max(past[-1, 0], ahead[-1, 0] if len(ahead) else -np.inf))
    last = last if last > first else first + 1

    def x(value: Any) -> Any:
        return _LEFT + (np.asarray(value) - first) / (last - first) * (_RIGHT - _LEFT)

    def y(value: Any) -> Any:
        return np.clip(_BOTTOM - (np.asarray(value) - least) / (most - least) * (_BOTTOM - _TOP), _TOP, _BOTTOM)

    ticks: list[list[tuple[float, str]]] = []
    places: list[tuple[float, float, Any]] = [(first, last, x), (least, most, y)]
    for low, high, place in places:
        marks = [mark for mark in MaxNLocator(5).tick_values(low, high) if low <= mark <= high]
        ticks.append([(round(float(place(mark)), 1), f"{mark:.6g}") for mark in marks])
    return x, y, ticks[0], ticks[1]


def line_path(x: np.ndarray, y: np.ndarray) -> str:
    """A line as a path of SVG."""
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def band_path(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """A band between two lines as a path of SVG."""
    return line_path(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])) + "Z"


def _listed(rows: np.ndarray) -> list[list[float]]:
    return [[float(f"{value:.4g}") if i else float(value) for i, value in enumerate(row)] for row in rows]


def _alt(past: np.ndarray, ahead: np.ndarray, level: Interval | None) -> str:
    out = f"Reward against optimizer step: {len(past)} logged rewards from step {past[0, 0]:g} to {past[-1, 0]:g}. "
    out += (
        f"The last is {number(past[-1, 1])}."
        if past.shape[1] == 2
        else f"The expected reward goes from {number(past[0, 2])} to {number(past[-1, 2])} "
        f"({INTERVAL_PROB:.0%} interval {number(past[-1, 3])} to {number(past[-1, 4])})."
    )
    if len(ahead):
        between = f"{number(ahead[-1, 2])} to {number(ahead[-1, 3])}"
        out += f" Forecast at step {ahead[-1, 0]:g}: {number(ahead[-1, 1])} ({between})."
    if level is not None:
        out += f" Plateau {number(level.median)} ({number(level.lower)} to {number(level.upper)})."
    return out
