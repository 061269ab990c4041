"""``coatcheck deploy`` and ``diff``: from the sources to a stack that has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.deploy import changes, guard, localstack, parameters
from infra.deploy.artefacts import Artefacts
from infra.deploy.build import Build, place
from infra.deploy.changes import Change, ChangeSet
from infra.deploy.console import Console
from infra.deploy.errors import FailedError, RefusedError
from infra.deploy.events import Events
from infra.deploy.image import ROOT, Docker, Image, dockerfile
from infra.deploy.stack import HEALTHY, Stack, State

LOCALSTACK_REDIS = "redis://redis:6379/0"
"""The Redis of ``localstack-compose.yml``, as LocalStack's functions see it."""
REPOSITORY = "AWS::ECR::Repository"
IMAGE = "WorkerImage"


@dataclass
class Deployment:
    """One deployment. Takes the stack, where to tell its progress, what is built, and its options.

    ``given`` are the values of ``--parameter``, checked; ``allowed`` those of ``--allow-replace``.
    """

    stack: Stack
    console: Console
    built: Build
    given: Mapping[str, str]
    allowed: Collection[str] = ()
    docker: Docker = Docker()
    root: Path = ROOT
    done: list[Change] = field(default_factory=list)

    def run(self) -> State:
        """Deploy. Returns the stack's state afterwards; ``done`` has the changes.

        Raises DeployError, and its kinds for what failed or was refused.
        """
        state = self.stack.look()
        self.stack.ready(state)
        values = self.values(state)
        builds = self.builds(state, values)
        if builds:
            dockerfile(self.root)
            self.docker.check()
        template, url = self._upload()
        repository = self._repository(state) if builds else None
        if builds and repository:
            values[IMAGE] = self._publish(repository, values, state)
        state = self._apply(url, values, state, confirmed=False)
        if builds and not repository and (repository := self._repository(state)):
            # The first time: the repository had to be there before there could be an image in it.
            values[IMAGE] = self._publish(repository, values, state)
            state = self._apply(url, values, state, confirmed=True)
        if self.stack.target.kind == "localstack":
            localstack.repair(self.stack, state, template)
        return state

    def preview(self) -> tuple[Change, ...]:
        """What would change. Makes a change set and deletes it; the artefacts stay in their bucket."""
        state = self.stack.look()
        self.stack.ready(state)
        _, url = self._upload()
        change_set = self._change_set(url, self.values(state), state)
        if change_set is None:
            return ()
        changes.discard(self.stack, change_set.id, shell=state is None or state.fresh)
        return change_set.changes

    def values(self, state: State | None) -> dict[str, str]:
        """The parameters that are set by this deployment; the others stay what they are."""
        values = dict(self.given)
        previous = state.parameters if state else {}
        if self.stack.target.kind == "localstack" and not previous.get("RedisUrl"):
            values.setdefault("RedisUrl", LOCALSTACK_REDIS)
        return values

    def builds(self, state: State | None, values: Mapping[str, str]) -> bool:
        """Whether the worker image is to be built here.

        Not where the stack has no workers, and not where somebody else brings the image.
        """
        if IMAGE not in self.built.parameters or IMAGE in values or self._value("RedisUrl", values, state):
            return False
        present = self._value(IMAGE, values, state)
        return not present or f"/{self._repository(state)}@" in present

    def _upload(self) -> tuple[dict[str, Any], str]:
        artefacts = Artefacts(self.stack.target, self.stack.name)
        artefacts.prepare()
        return place(self.built, artefacts)

    def _repository(self, state: State | None) -> str | None:
        """The name of the stack's ECR repository, None as long as there is none."""
        if state is None or state.fresh:
            return None
        return next((entry.id for entry in self.stack.resources() if entry.type == REPOSITORY), None)

    def _publish(self, repository: str, values: Mapping[str, str], state: State | None) -> str:
        architecture = self._value("Architecture", values, state)
        return Image(self.stack.target, repository, architecture, self.root, self.docker).publish(
            self.console.tell
        )

    def _value(self, name: str, values: Mapping[str, str], state: State | None) -> str:
        """What a parameter will be: as given, else as it is, else the template's default."""
        previous = state.parameters if state else {}
        default = self.built.parameters.get(name, {}).get("Default", "")
        return values.get(name, previous.get(name, str(default)))

    def _change_set(self, url: str, values: Mapping[str, str], state: State | None) -> ChangeSet | None:
        previous = {} if state is None or state.fresh else state.parameters
        return changes.create(
            self.stack,
            state,
            template_url=url,
            parameters=parameters.complete(values, self.built.parameters, previous),
            tags={"coatcheck:stack": self.stack.name},
        )

    def _apply(self, url: str, values: Mapping[str, str], state: State | None, *, confirmed: bool) -> State:
        """Make a change set, show it, ask, carry it out. Returns the state afterwards."""
        change_set = self._change_set(url, values, state)
        if change_set is None:
            self.console.tell(f"{self.stack.name}: no changes")
            return self.stack.existing()
        new = state is None or state.fresh
        self.console.tell(f"{self.stack.name} at {self.stack.target.title}:")
        self.console.tell(changes.show(change_set.changes))
        try:
            guard.check(change_set.changes, self.allowed)
            if not confirmed:
                self.console.confirm(f"{'Create' if new else 'Change'} {self.stack.name}? [y/N]")
        except RefusedError:
            changes.discard(self.stack, change_set.id, shell=new)
            raise
        if not new:
            self.stack.protect(guard.protected(self.stack.resources(), self.allowed))
        events = Events(self.stack, change_set.stack_id, self.console.tell)
        changes.execute(self.stack, change_set)
        try:
            status = events.follow()
        except KeyboardInterrupt:
            self.console.tell(f"CloudFormation goes on; look with: {self.stack.command('status')}")
            raise
        if status not in HEALTHY:
            raise FailedError(_failure(self.stack, events, status))
        self.stack.protect(guard.protected(self.stack.resources()))
        self.done += change_set.changes
        return self.stack.existing()


def _failure(stack: Stack, events: Events, status: str) -> str:
    """What failed, why, and what now."""
    failure = events.failure()
    what = f"{failure.name} ({failure.type}) failed: {failure.reason}" if failure else "no reason given"
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return f"{what}\n{stack.name} was rolled back: everything is as it was before ({status})"
    if status == "UPDATE_ROLLBACK_FAILED":
        return f"{what}\n{stack.name} could not even be rolled back ({status}); 'deploy' tells the way out"
    return f"{what}\n{stack.name} is {status}; delete it ('{stack.command('destroy')}') and deploy again"
