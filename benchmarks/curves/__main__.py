"""Forecast every series from 20, 30, 50 and 70 % of it, and print the leaderboard.

python -m benchmarks.curves ../shared/data --out scores                  # all that comes along; resumable
python -m benchmarks.curves ../shared/data --out scores --forecaster my_module:my_forecast
python -m benchmarks.curves --report scores                              # tables, and scores/leaderboard.png
"""

import argparse
from pathlib import Path

from bayes_grpo.analysis.forecast.mixture import PERSISTENCE
from bayes_grpo.inference.progress import use_compilation_cache
from benchmarks.curves.contract import Forecaster, named
from benchmarks.curves.laws import law, mixture, persistence
from benchmarks.curves.leaderboard import figure, leaderboard
from benchmarks.curves.peers import peers
from benchmarks.curves.runner import rows_of, run
from benchmarks.curves.series import all_series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs; without it the laboratory alone")
    parser.add_argument("--out", type=Path, help="folder of scores, made or gone on with")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="print the leaderboard of a folder of scores")
    parser.add_argument("--models", default="s_curve", help="models, or persistence, by comma ('' for none)")
    parser.add_argument("--no-mixture", action="store_true", help="leave the package's mixture out")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument("--forecaster", action="append", default=[], metavar="MODULE:FUNCTION", help="one of yours")
    parser.add_argument("--limit", type=int, help="series at most")
    parser.add_argument("--keep-draws", action="store_true", help="keep the draws of block means")
    options = parser.parse_args()
    if (folder := options.report) is None:
        if (folder := options.out) is None:
            parser.error("state --out FOLDER or --report FOLDER")
        use_compilation_cache()
        series = list(all_series(options.data))[: options.limit]
        forecasters: dict[str, Forecaster] = {} if options.no_peers else peers()
        forecasters |= {} if options.no_mixture else {"bayes_grpo": mixture()}
        names = filter(None, options.models.split(","))
        forecasters |= {name: persistence if name == PERSISTENCE else law(name) for name in names}
        forecasters |= dict(map(named, options.forecaster))
        run(series, forecasters, folder, keep_draws=options.keep_draws)
    rows = rows_of(folder / "scores.jsonl")
    print(leaderboard(rows))
    names = list(dict.fromkeys(row["forecaster"] for row in rows))
    figure(rows, folder / "leaderboard.png", names[::-1])


if __name__ == "__main__":
    main()
