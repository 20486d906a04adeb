"""Studies of what the package claims; run from the root of a checkout as ``python -m case_studies.NAME.SCRIPT``."""
