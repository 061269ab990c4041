"""Fixtures of the tests of ``infra``."""

from tests.infra.product import start

__all__ = ["start"]
