"""What a test does when the machine lacks something."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skips the test on a laptop and says what is missing; fails it in CI, where nothing may be."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"this machine lacks {what}; .ci/run should have installed it", pytrace=False)
    pytest.skip(f"this machine lacks {what}")
