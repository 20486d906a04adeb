"""Order and figures of the gallery."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

#: The pages in the order in which their questions come up.
PAGES = (
    "tutorial",
    "where_will_it_plateau",
    "should_i_stop",
    "is_it_failing",
    "how_stale_may_rollouts_be",
    "is_a_better_than_b",
    "did_a_larger_group_help",
    "which_checkpoint",
    "what_should_i_run_next",
    "which_law_holds",
    "my_own_prior",
    "my_own_law",
    "thousands_of_runs",
    "in_a_training_script",
    "from_pymc",
)


class ReadingOrder:
    """The place of a page in the gallery; called with the name of its file."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str | Path) -> int:
        """Index in `PAGES`."""
        return PAGES.index(Path(filename).stem)


def figures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Figures that a block has put into a variable: those of bayes_grpo belong to no window, so pyplot knows none."""
    saved = []
    for value in block_vars["example_globals"].values():
        if isinstance(value, Figure) and not hasattr(value, "number") and not hasattr(value, "shown"):
            value.shown = True
            saved.append(next(block_vars["image_path_iterator"]))
            value.savefig(saved[-1], dpi=130)
    return figure_rst(saved, gallery_conf["src_dir"])
