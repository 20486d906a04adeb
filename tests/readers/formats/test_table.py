"""Tables with a header: headers that are repeated where a run was appended or resumed, rows of dots."""

import pickle
from pathlib import Path

import pytest

from bayes_grpo import InputError, read_run

REWARDS = [round(0.2 + 0.02 * i, 3) for i in range(14)]


def rows(first: int, rewards: list[float], form: str = "{s},{r},0.01") -> list[str]:
    return [form.format(s=s, r=r) for s, r in enumerate(rewards, first)]


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("step,reward,kl", "{s},{r},0.01"),
        ("step,reward,kl,extra", "{s},{r},0.01,5"),
        ("kl,step,reward", "0.01,{s},{r}"),
        ("step,reward", "{s},{r}"),
    ],
)
def test_runs_appended_under_a_header_of_their_own(header: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["step,reward,kl", *rows(1, REWARDS[:6]), header, *rows(1, REWARDS, form)]) + "\n")
    with pytest.raises(InputError, match=r"take one by --run N or --run last \(1: 6 rows.*; 2: 14 rows"):
        read_run(path)
    assert read_run(path, appended="last")["reward"].values[0].tolist() == REWARDS
    run = read_run(path, appended=1)
    assert run["reward"].values[0].tolist() == REWARDS[:6] and "the header is repeated" in run["notes"].item()


def test_a_run_resumed_under_the_header_again_is_one(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    head = ",step,reward"
    parts = [rows(1, REWARDS[:8], "0,{s},{r}"), rows(6, REWARDS[5:], "0,{s},{r}")]
    path.write_text("\n".join([head, *parts[0], head, *parts[1]]) + "\n")
    run = read_run(path)
    assert run["reward"].values[0].tolist() == REWARDS and "3 rows that it logged again" in run["notes"].item()


def test_a_row_of_dots_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["step,reward,kl", *rows(1, REWARDS[:5]), "...,...,...", *rows(10, REWARDS[9:])]) + "\n")
    run = read_run(path)
    assert run["optimizer_step"].values[0].tolist() == [1, 2, 3, 4, 5, 10, 11, 12, 13, 14]
    assert "rows of dots" in run["notes"].item()


@pytest.mark.parametrize("space", ["", " "])
def test_cells_in_per_cent_are_shares(space: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    cells = [f"{s},{100 * r:.2f}{space}%,{50 + s}{space}%" for s, r in enumerate(REWARDS, 1)]
    path.write_text("\n".join(["step,reward,eval_accuracy", *cells]) + "\n")
    run = read_run(path)
    assert run["reward"].values[0].tolist() == pytest.approx(REWARDS)
    assert run["evaluation_reward"].values[0, :2].tolist() == pytest.approx([0.51, 0.52])
    path.write_text("\n".join(["step,reward", *(f'{s},"27,{s}%"' for s in range(1, 15))]) + "\n")
    with pytest.raises(InputError, match="expected a number, found '27,1%'"):
        read_run(path)


@pytest.mark.parametrize("step", ["step", "iteration", "train/num_updates"])
def test_rows_with_the_newest_first_are_put_in_order(step: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    cells = rows(1, REWARDS[:8]) + rows(6, REWARDS[5:])  # resumed once
    path.write_text("\n".join([f"{step},reward,kl", *reversed(cells)]) + "\n")
    run = read_run(path)
    assert run["reward"].values[0].tolist() == REWARDS and "the newest row stands first" in run["notes"].item()


def test_all_cells_that_are_no_number_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,reward\n" + "".join(f"{s},{'good' if s > 9 else 0.5}\n" for s in range(1, 60)))
    with pytest.raises(InputError, match="50 faults") as caught:
        read_run(path)
    assert len(caught.value.faults) == 9 and caught.value.faults[-1] == "and 42 more"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("above", [0, 1])
def test_decimal_commas(mark: str, above: int, tmp_path: Path) -> None:
    """As spreadsheets write them; ``1,250`` beside ``0,01`` is no thousand."""
    path = tmp_path / "log.csv"
    lines = [f"{s}{mark}{above + r:.3f}{mark}0.01".replace(".", ",") for s, r in enumerate(REWARDS)]
    path.write_text("\n".join([mark.join(("step", "reward", "kl")), *lines]))
    run = read_run(path)
    assert run["reward"].values[0].tolist() == [round(above + r, 3) for r in REWARDS]
    assert run["kl"].values[0].tolist() == [0.01] * len(REWARDS) and "decimal" in run["notes"].item()


def test_commas_of_thousands_beside_points_stay(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "\n".join(["step;reward", *(f"{s:,};{r}" for s, r in zip(range(1000, 2400, 100), REWARDS, strict=True))])
    )
    assert read_run(path)["optimizer_step"].values[0].tolist() == list(range(1000, 2400, 100))
