"""The real template, expanded as AWS does it and without what moto lacks, through a whole deployment."""

from __future__ import annotations

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
from tests.template.conftest import expanded, merged

__all__ = ["expanded", "merged"]


@pytest.fixture(scope="module")
def whole(expanded: Template) -> Template:
    """What moto can make of the template."""
    return stripped(expanded)


def deployment(stack: Stack, template: Template, given: dict[str, str], **options: Any) -> Deployment:
    docker = Docker(FakeDocker(stack.target))
    built = Build(b"code", template)
    return Deployment(
        stack, Recorder(yes=True), template["Parameters"], given, build=lambda: built, docker=docker, **options
    )


def test_x(stack: Stack, whole: Template) -> None:
    print({r["Type"] for r in whole["Resources"].values()})
    print(deployment(stack, whole, {"RedisUrl": "redis://own"}).run())
    deployment(Stack(stack.target, "second"), whole, {}).run()
