"""docs/interoperation.md: a saved fit opens in R, where R with its packages is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import xarray as xr

import bayes_grpo
from tests.common import LIMIT, ROOT

WANTED = "quit(status = !(requireNamespace('ncdf4', quietly = TRUE) && requireNamespace('posterior', quietly = TRUE)))"


def r_is_there() -> bool:
    """Whether Rscript runs and has the packages that the page uses."""
    command = shutil.which("Rscript")
    return command is not None and subprocess.run([command, "-e", WANTED], capture_output=True).returncode == 0


@pytest.mark.skipif(not r_is_there(), reason="no R with ncdf4 and posterior")
def test_r_reads_a_fit(small_fit: xr.DataTree, tmp_path: Path) -> None:
    """The block of the page, as it is; then its draws against those of xarray, value by value in their order."""
    (block,) = re.findall(r"^```r\n(.*?)^```$", (ROOT / "docs" / "interoperation.md").read_text(), re.M | re.S)
    bayes_grpo.save_fit(small_fit, tmp_path / "fit.nc")
    shown = 'cat(sprintf("%.17g", as.vector(draws[1:3, 2, "plateau"])), "\\n")\n'
    units = 'cat(ncatt_get(nc_open("fit.nc"), "posterior/plateau", "units")$value, "\\n")\n'
    (tmp_path / "page.R").write_text(block + shown + units)
    done = subprocess.run(["Rscript", "page.R"], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    *_, draws, unit = done.stdout.splitlines()
    assert [float(value) for value in draws.split()] == small_fit["posterior"]["plateau"].values[1, :3].tolist()
    assert unit.strip() == "reward" and "A tibble: 3" in done.stdout
