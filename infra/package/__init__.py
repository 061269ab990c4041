"""The function package: what goes to Lambda, built from ``functions/`` and ``coatcheck/``."""

from infra.package.build import build_package
from infra.package.files import FunctionPackage

__all__ = ["FunctionPackage", "build_package"]
