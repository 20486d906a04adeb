"""Studies of what the package claims. Each script is run from the root of a checkout: ``python -m case_studies.NAME.SCRIPT``."""
