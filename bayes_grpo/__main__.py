"""``python -m bayes_grpo`` is the command ``bayes-grpo``."""

from bayes_grpo.cli import main

raise SystemExit(main())
