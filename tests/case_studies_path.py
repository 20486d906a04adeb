"""Import a script of the case studies."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load(study: str, script: str) -> ModuleType:
    path = Path(__file__).parents[1] / "case_studies" / study / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"{study}_{script}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
