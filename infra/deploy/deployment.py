"""``coatcheck deploy`` and ``diff``: from the sources to a stack that has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import auth_mode
from infra.deploy import changes, guard, localstack, parameters
from infra.deploy.artefacts import Artefacts
from infra.deploy.build import ROOT, Build, build, place
from infra.deploy.changes import Change, ChangeSet
from infra.deploy.console import Console
from infra.deploy.errors import DeployError, FailedError
from infra.deploy.events import Events
from infra.deploy.image import Docker, Image
from infra.deploy.stack import HEALTHY, Stack, State

REPOSITORY = "AWS::ECR::Repository"
DIGEST = "WorkerImageDigest"
"""The parameter for the worker image."""


@dataclass
class Deployment:
    """One deployment of a stack, or a look at what it would do.

    Takes the stack, where to tell the progress, the template's declared parameters, the checked values
    of ``--parameter`` and ``--allow-replace``, what builds the package, whether to build the worker image in
    any case, and where LocalStack answers others. ``done`` has the changes that were carried out.
    """

    stack: Stack
    console: Console
    declared: Mapping[str, Any]
    given: Mapping[str, str]
    allowed: Collection[str] = ()
    build: Callable[[], Build] = build
    rebuild_image: bool = False
    public_endpoint: str | None = None
    docker: Docker = field(default_factory=Docker)
    root: Path = ROOT
    done: list[Change] = field(default_factory=list)

    def run(self) -> State:
        """Deploy. Returns the stack's state afterwards.

        Raises DeployError and its kinds, PackageError, CatalogError.
        """
        state = self._state()
        values = self._values(state)
        image = self._image(values, state)
        repository = self._repository(state)
        digest = image.find(repository) if image and repository and not self.rebuild_image else None
        if image and not digest:
            image.check()
        built = self.build()
        url = self._upload(built, self._value(auth_mode.PARAMETER, values, state))
        if image and repository:
            values[DIGEST] = digest or image.publish(repository, self.console.tell)
        state = self._apply(url, values, state)
        if image and not repository and (repository := self._repository(state)):
            # The first time: the image needs the repository, and the workers need the image.
            values[DIGEST] = image.publish(repository, self.console.tell)
            state = self._apply(url, values, state, confirmed=True)
        if self.stack.target.kind == "localstack":
            localstack.repair(self.stack, state, built.template)
        return state

    def preview(self) -> ChangeSet | None:
        """What would change, but for a new worker image; None if nothing does. The upload stays."""
        state = self._state()
        values = self._values(state)
        url = self._upload(self.build(), self._value(auth_mode.PARAMETER, values, state))
        change_set = self._change_set(url, values, state)
        if change_set:
            changes.discard(self.stack, change_set.id, shell=state is None)
        return change_set

    def _state(self) -> State | None:
        """The stack's state; None for a new one."""
        state = self.stack.look()
        self.stack.ready(state)
        return None if state is None or state.fresh else state

    def _values(self, state: State | None) -> dict[str, str]:
        """The parameters that this deployment sets; the others stay what they are."""
        defaults = {}
        if endpoint := self.stack.target.endpoint:
            defaults[localstack.ENDPOINT] = (self.public_endpoint or endpoint).rstrip("/")
        if state is None:
            defaults["Name"] = self.stack.name
            if endpoint:
                defaults |= localstack.PARAMETERS
        defaults = {name: value for name, value in defaults.items() if name in self.declared}
        parameters.check(defaults | dict(self.given), self.declared)
        return defaults | dict(self.given)

    def _value(self, name: str, values: Mapping[str, str], state: State | None) -> str:
        """What a parameter will be: what is given, else what the stack has, else its default."""
        previous = state.parameters if state else {}
        default = str(self.declared.get(name, {}).get("Default", ""))
        return values.get(name, previous.get(name, default))

    def _image(self, values: Mapping[str, str], state: State | None) -> Image | None:
        """The worker image that belongs to the stack; None if it has no workers, or the image is given."""
        if (
            self.stack.target.kind == "localstack"
            or DIGEST in values
            or self._value("RedisUrl", values, state)
        ):
            return None
        architecture = self._value("WorkerArchitecture", values, state)
        return Image(self.stack.target, self.root, architecture, self.docker)

    def _repository(self, state: State | None) -> str | None:
        """The name of the stack's ECR repository, None as long as there is none."""
        resources = self.stack.resources() if state else []
        return next((entry.id for entry in resources if entry.type == REPOSITORY), None)

    def _upload(self, built: Build, mode: str) -> str:
        artefacts = Artefacts(self.stack.target, self.stack.name)
        artefacts.prepare()
        return place(built.archive, self._template(built, mode), artefacts)

    def _template(self, built: Build, mode: str) -> dict[str, Any]:
        if self.stack.target.kind == "localstack":
            return localstack.adapt(built.template, self.stack.name)
        return auth_mode.mark(built.template, mode)

    def _change_set(self, url: str, values: Mapping[str, str], state: State | None) -> ChangeSet | None:
        return changes.create(
            self.stack,
            new=state is None,
            template_url=url,
            parameters=parameters.complete(values, self.declared, state.parameters if state else {}),
            tags={"coatcheck:stack": self.stack.name},
        )

    def _apply(
        self, url: str, values: Mapping[str, str], state: State | None, *, confirmed: bool = False
    ) -> State:
        """Make a change set, show it, ask, carry it out. Returns the state afterwards."""
        change_set = self._change_set(url, values, state)
        if change_set is None:
            self.console.tell(f"{self.stack.name}: no changes")
            return self.stack.existing()
        self.console.tell(f"{self.stack.name} at {self.stack.target.title}:")
        self.console.tell(changes.show(change_set.changes))
        try:
            guard.check(change_set.changes, self.allowed)
            if not confirmed:
                self.console.confirm(f"{'Change' if state else 'Create'} {self.stack.name}? [y/N]")
        except DeployError:
            changes.discard(self.stack, change_set.id, shell=state is None)
            raise
        if state:
            self._protect(but=self.allowed)
        try:
            self._execute(change_set)
        except FailedError:
            if state:
                self._protect()
            raise
        self._protect()
        self.done += change_set.changes
        return self.stack.existing()

    def _protect(self, but: Collection[str] = ()) -> None:
        """Have CloudFormation itself refuse to lose what holds data."""
        self.stack.protect(guard.protected(self.stack.resources(), but))

    def _execute(self, change_set: ChangeSet) -> None:
        """Carry a change set out. Raises FailedError."""
        events = Events(self.stack, change_set.stack_id, self.console.tell)
        changes.execute(self.stack, change_set)
        status = events.follow()
        if status not in HEALTHY:
            raise FailedError(f"{events.told_failure()}\n{_consequence(self.stack, status)}")


def _consequence(stack: Stack, status: str) -> str:
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return f"{stack.name} was rolled back: everything is as it was before ({status})"
    if status == "UPDATE_ROLLBACK_FAILED":
        return f"{stack.name} could not even be rolled back ({status}); 'deploy' tells the way out"
    return f"{stack.name} is {status}: delete it with '{stack.command('destroy')}', then deploy again"
