"""The scenarios, one module each: what is asked, what is expected, and what is done to find out."""

import importlib
import pkgutil

from loadtest.scenario import Scenario


def scenarios() -> dict[str, Scenario]:
    """Return all of them by name, in the order of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.SCENARIO.name: module.SCENARIO for module in modules}
