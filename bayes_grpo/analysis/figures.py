"""What all figures share. Importing this module imports matplotlib."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bayes_grpo.analysis.intervals import interval
from bayes_grpo.errors import printable
from bayes_grpo.runs.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Characters of a run's name in a figure.
_LONGEST_NAME = 80
#: Colours of logged data, of what is inferred behind them, and of levels.
DATA, CURVE, LEVEL = "0.38", "#1f5fa8", "#c2571a"


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure into a file, whole or not at all; the suffix names the format (png, svg, pdf)."""
    path = Path(path)
    buffer = io.BytesIO()
    with matplotlib.style.context({"svg.hashsalt": "bayes_grpo"}), warnings.catch_warnings():
        # A name may have letters that the font lacks; they become boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(buffer, format=path.suffix[1:], dpi=130)
    write_atomically(path, buffer.getvalue())
    return path


def named(label: object) -> str:
    """A run's name as a figure shows it: printable, and no longer than a title may be."""
    text = printable(str(label), keep="")
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, drawn without a window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def halves(figure: Figure, ratios: tuple[float, float]) -> tuple[Any, Any]:
    """An upper and a lower part with heights in these ratios."""
    parts: Any = figure.subfigures(2, 1, height_ratios=ratios)
    return parts[0], parts[1]


def draw_histogram(axes: "Axes", values: np.ndarray, label: str, marked: float | None) -> None:
    """Draws with their median and interval, and a marked value; the word none where there are no draws."""
    values = values[np.isfinite(values)]
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_yticks([])
    if not values.size:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="0.4")
        axes.set_xticks([])
        return
    low, high = np.quantile(values, [0.005, 0.995])
    axes.hist(values, bins=np.linspace(low, high + 1e-12, 40).tolist(), density=True, color=CURVE, alpha=0.7)
    limits = interval(values)
    axes.axvspan(limits.lower, limits.upper, color=CURVE, alpha=0.12, lw=0)
    axes.axvline(limits.median, color=CURVE, lw=1)
    if marked is not None:
        axes.axvline(marked, color=LEVEL, ls="--", lw=1.2)
