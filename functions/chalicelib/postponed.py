"""Modules that a library imports at its top and no request needs: they are loaded when somebody uses them.

What they import in turn is a part of a cold start (``benchmarks/package.py``). This is the recipe of Python's
documents ("Implementing lazy imports", importlib), for modules that nobody has imported yet.
"""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec


def postpone(name: str) -> None:
    """Have the next import of a module only promise it, unless it is there."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    package, _, own = name.rpartition(".")
    if package:
        setattr(sys.modules[package], own, module)
