"""Modules that register something when they are imported, found in their package: there is no list to maintain."""

import importlib
import pkgutil


def import_modules(package: str) -> None:
    """Import all modules of a package.

    Where this is called with a name in quotes, `lm_saturation_workflow.code_hash` counts all of these modules, too.
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
