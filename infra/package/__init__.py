"""The function package: what goes to Lambda, built from ``functions/`` and ``coatcheck/``."""

from infra.package.build import FunctionPackage, build_package

__all__ = ["FunctionPackage", "build_package"]
