"""The real template, expanded as AWS does it and without what moto lacks, through whole deployments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.build import Build
from infra.deploy.deployment import Deployment
from infra.deploy.image import Docker
from infra.deploy.stack import Stack
from infra.template import Template
from tests.deploy.console import Recorder
from tests.deploy.docker import FakeDocker
from tests.deploy.stripped import stripped
from tests.support import cloudformation
from tests.template.conftest import expanded, merged

__all__ = ["expanded", "merged"]


def test_x(stack: Stack, expanded: Template) -> None:
    for params in ({"RedisUrl": "redis://own"}, {}, {"WorkerImageDigest": "sha256:" + "0" * 64}):
        s = cloudformation.Stack(expanded, params)
        st = Stack(stack.target, "desk" + str(len(str(params))))
        d = Deployment(st, Recorder(yes=True), expanded["Parameters"], params | {"WorkerImageDigest": "sha256:" + "0" * 64}, build=lambda: Build(b"", stripped(expanded, s.condition)))
        print(d.run().status, len(d.done))
