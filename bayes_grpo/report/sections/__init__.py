"""The sections of a run's part of the page, one file each.

In: the fits of a run. Out: answers, and what of them is shown.
"""

from bayes_grpo.report.section import Section
from bayes_grpo.report.sections.ask import ASK
from bayes_grpo.report.sections.ceiling import CEILING
from bayes_grpo.report.sections.checkpoint import CHECKPOINT
from bayes_grpo.report.sections.comparison import COMPARISON
from bayes_grpo.report.sections.contrast import CONTRAST
from bayes_grpo.report.sections.diagnosis import DIAGNOSIS
from bayes_grpo.report.sections.forecast import FORECAST
from bayes_grpo.report.sections.oscillation import OSCILLATION
from bayes_grpo.report.sections.plan import PLAN
from bayes_grpo.report.sections.posterior import POSTERIOR
from bayes_grpo.report.sections.sampler import SAMPLER
from bayes_grpo.report.sections.threshold import THRESHOLD

#: All sections, in the order of the page.
SECTIONS: list[Section] = [
    FORECAST,
    PLAN,
    CONTRAST,
    CHECKPOINT,
    POSTERIOR,
    OSCILLATION,
    THRESHOLD,
    COMPARISON,
    DIAGNOSIS,
    CEILING,
    ASK,
    SAMPLER,
]
