"""Results of decisions are what ArviZ's plots take: labelled draws with the dimension ``sample``."""

import arviz_plots as azp
import pytest
import xarray as xr

from bayes_grpo import checkpoint, contrast, plan
from bayes_grpo.inference.fit import light_fit


@pytest.fixture(scope="module")
def results(small_run: xr.Dataset) -> dict[str, xr.Dataset]:
    fits = [light_fit(small_run, seed=seed) for seed in (0, 1)]
    return {
        "contrast": contrast({"first": fits[:1], "second": fits[1:]}, lengths=False).sel(measure="plateau")[["value"]],
        "plan": plan(0.3, vary=("group_size", [4, 8]))[["plateau"]],
        "checkpoint": checkpoint(small_run, every=20)[["value"]],
    }


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("contrast", {"first", "second"}),
        ("plan", {"group_size=4", "group_size=8"}),
        ("checkpoint", {"20", "40", "60"}),
    ],
)
def test_a_forest_plot_has_the_labels(results: dict[str, xr.Dataset], name: str, labels: set[str]) -> None:
    result = results[name]
    if name == "checkpoint":
        result = result.swap_dims(checkpoint="checkpoint_step")
    tree = xr.DataTree.from_dict({"posterior": result.drop_attrs()})
    figure = azp.plot_forest(tree, sample_dims="sample", backend="matplotlib").viz["figure"].item()
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert labels <= {text.removesuffix(".0") for text in texts}
