"""The case study of the three predictions: its brute-force threshold, and what it counts."""

import json
from pathlib import Path

import pytest

from bayes_grpo.bandit import Bandit, linearise
from bayes_grpo.laws.stability import refresh_threshold


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_brute_force_finds_the_exact_threshold(momentum: float) -> None:
    """On a grid of 2 % steps; the exact map says which K is the first unstable one."""
    from case_studies.predictions import predictions as study

    bandit = Bandit(kl=0.8, momentum=momentum, group_size=4, learning_rate=0.3)
    linear = linearise(bandit, "finite")
    exact = float(refresh_threshold(linear.stiffness[0], momentum))
    assert study.brute_threshold(bandit, linear.logits) == pytest.approx(exact, rel=0.05)


def test_updates_are_read_from_the_names_of_public_runs() -> None:
    from case_studies.predictions import predictions as study

    assert study.updates("Shibuki/main__broad_e4_tb128") == 8
    assert study.updates("Shibuki/main__GRPO-Clip_0.20_0.20_e2_tb256") == 2
    assert study.updates("Shibuki/main__reinforce_with_baseline") == 1


def test_report_counts_intervals_that_hold_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from case_studies.predictions import report

    for i, low in enumerate((1.0, 1.0, 5.0)):
        ends = (low, low + 1, low + 2)
        truth = {"stiffness": 2.0, "threshold": 2.0, "brute": 2.0, "onset": 2.0}
        one = {name: ends for name in ("stiffness", "threshold", "onset", "onset_with_damping")}
        kept = one | {"truth": truth, "converged": i > 0, "momentum": 0.5}
        (tmp_path / f"threshold_{i:03d}.json").write_text(json.dumps(kept))
    report.report(tmp_path, tmp_path / "figure.png")
    said = capsys.readouterr().out
    assert "3 experiments, 2 of them converged" in said
    assert "threshold holds threshold: 2 of 3" in said and "converged 1 of 2" in said
    assert (tmp_path / "figure.png").stat().st_size > 10_000
