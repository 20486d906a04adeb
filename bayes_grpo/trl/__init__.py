"""Inside a TRL training script: needs the extra ``train``.

In: a `trl.GRPOTrainer`. Out: a log that the readers know (`record`), and forecasts while it trains (`forecast`).
"""

from bayes_grpo.trl.forecaster import Forecaster as Forecaster
from bayes_grpo.trl.forecaster import forecast as forecast
from bayes_grpo.trl.recorder import Recorder as Recorder
from bayes_grpo.trl.recorder import record as record
