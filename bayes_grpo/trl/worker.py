"""A process beside the training that forecasts it: a line of JSON in, a line of JSON out.

In: {"rows": {column: values}, "hyperparameters": {...}, "options": {...}}. Out: the summary of
`bayes_grpo.analysis.forecast.live.Refitter`, or {"error": text}. It runs on the processor, with low priority, so that
the training keeps its device and its cores.
"""

import json
import os
import sys
from typing import Any

#: A tenth of the share of a core that the training has, where both want it.
NICENESS = 10


def main() -> None:
    """Answer requests until stdin ends."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # Whatever is printed by a library must not end up among the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    refit: Any = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            from bayes_grpo.analysis.forecast.live import Refitter
            from bayes_grpo.inference.progress import use_compilation_cache
            from bayes_grpo.runs.dataset import make_run

            use_compilation_cache()
            refit = refit or Refitter(**request["options"])
            answer = refit(make_run("live", request["rows"], request["hyperparameters"]))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
