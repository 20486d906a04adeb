"""Today's fits agree with stored long posteriors of three real runs (made by case_studies/calibration/reference.py)."""

import json
from pathlib import Path

import pytest

import bayes_grpo

STORED = sorted((Path(__file__).parent / "reference_posteriors").glob("*.json"))


def test_every_case_is_stored_with_its_settings_and_passed_its_diagnostics() -> None:
    from case_studies.calibration.reference import CASES as cases

    assert {path.stem for path in STORED} == set(cases)
    for path in STORED:
        reference = json.loads(path.read_text())
        assert reference["model"] == cases[path.stem][0]
        assert reference["versions"]["numpyro"] and reference["settings"]["draws"] >= 5000
        assert reference["diagnostics"]["max_rhat"] <= 1.01 and reference["diagnostics"]["divergences"] == 0


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_todays_fit_agrees(path: Path) -> None:
    """Means and standard deviations within 4.5 Monte-Carlo errors of both.

    False-alarm rate below 1e-5 each, 40 in all; seed fixed.
    """
    from case_studies.calibration import reference as study

    reference = json.loads(path.read_text())
    fit = bayes_grpo.fit(study.run_of(path.stem), reference["model"], seed=7, draws=500, tune=500, chains=2)
    assert bayes_grpo.summarise(fit)["converged"]
    for name, ours in study.moments(fit).items():
        theirs = reference["parameters"][name]
        for moment in ("mean", "sd"):
            error = (ours[f"mcse_{moment}"] ** 2 + theirs[f"mcse_{moment}"] ** 2) ** 0.5
            assert ours[moment] == pytest.approx(theirs[moment], abs=4.5 * error), (name, moment)
