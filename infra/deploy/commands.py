"""Carries out ``coatcheck deploy``, ``diff``, ``status``, ``outputs``, ``logs`` and ``destroy``."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from infra import auth_mode
from infra.deploy import changes, destroy, localstack, logs, parameters
from infra.deploy.build import Build, build
from infra.deploy.console import Console, table
from infra.deploy.deployment import Deployment
from infra.deploy.errors import DeployError, aws_errors
from infra.deploy.events import last_failure
from infra.deploy.stack import HEALTHY, Stack, State
from infra.deploy.target import open_target
from infra.template import load_extra


@dataclass(frozen=True)
class Call:
    """One call of a command.

    ``declared`` are the template's parameters, ``given`` those of the call; ``build`` makes the package.
    """

    arguments: Namespace
    stack: Stack
    console: Console
    declared: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    build: Callable[[], Build] = build


def run(arguments: Namespace) -> int:
    """Carry out a command. Returns the exit status that the help tells.

    Raises CoatcheckError for what goes wrong before AWS comes in, such as a task that can't be packaged.
    """
    console = Console(arguments.yes, sys.stdin, sys.stdout, sys.stderr)
    try:
        with aws_errors():
            if arguments.command in CONFIRMED:
                console.check()
            options: dict[str, Any] = {}
            if arguments.command in BUILDING:
                declared = load_extra().get("Parameters", {})
                given = parameters.parse(arguments.parameter, declared)
                options = {"declared": declared, "given": given, "build": partial(build, arguments.package)}
            target = open_target(arguments.target, os.environ, arguments.region)
            call = Call(arguments, Stack(target, arguments.stack), console, **options)
            return COMMANDS[arguments.command](call)
    except DeployError as error:
        console.tell(f"coatcheck: {error}")
        return error.status


def _deploy(call: Call) -> int:
    arguments = call.arguments
    deployment = _deployment(call, allowed=arguments.allow_replace, rebuild_image=arguments.rebuild_image)
    state = deployment.run()
    url = _url(call, state)
    if state.parameters.get(auth_mode.PARAMETER) == "tokens":
        call.console.tell(f"It asks for a token; to make one: {call.stack.command('token create NAME')}")
    if arguments.json:
        call.console.document(
            {
                **_identity(call.stack, state),
                "url": url,
                "changes": [asdict(change) for change in deployment.done],
                "outputs": state.outputs,
            }
        )
    else:
        call.console.result(url)
    return 0


def _diff(call: Call) -> int:
    change_set = _deployment(call).preview()
    found = change_set.changes if change_set else ()
    if call.arguments.json:
        document = {"stack": call.stack.name, "changed": change_set is not None}
        call.console.document(document | {"changes": [asdict(change) for change in found]})
    else:
        call.console.result(changes.show(found) if change_set else "no changes")
    return 0


def _status(call: Call) -> int:
    state = call.stack.existing()
    ailing = [entry for entry in call.stack.resources() if entry.status.endswith("_FAILED")]
    healthy = state.status in HEALTHY
    failure = None if healthy or state.busy else last_failure(call.stack)
    if call.arguments.json:
        call.console.document(
            {
                **_identity(call.stack, state),
                "changed": state.changed.isoformat(),
                "healthy": healthy,
                "url": _url(call, state),
                "failure": failure and {"name": failure.name, "type": failure.type, "reason": failure.reason},
                "parameters": state.parameters,
            }
        )
    else:
        since = state.changed.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        call.console.result(f"{call.stack.name}: {state.status} since {since}, {call.stack.target.title}")
        if url := _url(call, state):
            call.console.result(url)
        if failure:
            call.console.result(f"{failure.name} ({failure.type}) failed: {failure.reason}")
        if ailing:
            call.console.result(table([(entry.status, entry.name, entry.reason) for entry in ailing]))
    return 0 if healthy or state.busy else 1


def _outputs(call: Call) -> int:
    state = call.stack.existing()
    outputs = {**state.outputs, "URL": _url(call, state)}
    if call.arguments.json:
        call.console.document(outputs)
    else:
        call.console.result(table(sorted(outputs.items()), indent=""))
    return 0


def _logs(call: Call) -> int:
    call.stack.existing()
    reader = logs.Logs(call.stack, logs.groups(call.stack), call.arguments.since)
    for line in reader.follow() if call.arguments.follow else reader.read():
        if call.arguments.json:
            call.console.line(line.document())
        elif not line.figures:
            call.console.result(str(line))
    return 0


def _destroy(call: Call) -> int:
    stack, console = call.stack, call.console
    state = stack.look()
    if state:
        console.tell(f"{stack.name} at {stack.target.title}:")
        console.tell(destroy.plan(stack.resources(), {} if state.fresh else stack.template()))
        console.confirm(f"Type its name to delete {stack.name}:", stack.name)
    else:
        console.tell(f"there is no stack {stack.name} at {stack.target.title}")
    remains = destroy.destroy(stack, state, console)
    if call.arguments.json:
        console.document({"stack": stack.name, **remains.document()})
    else:
        console.result(str(remains) or "nothing remains")
    return 0


def _deployment(call: Call, **options: Any) -> Deployment:
    return Deployment(
        call.stack,
        call.console,
        call.declared,
        call.given,
        build=call.build,
        public_endpoint=call.arguments.public_endpoint,
        **options,
    )


def _url(call: Call, state: State) -> str:
    return localstack.api_url(call.stack.target, state, call.arguments.public_endpoint)


def _identity(stack: Stack, state: State) -> dict[str, Any]:
    return {
        "stack": stack.name,
        "target": stack.target.kind,
        "region": stack.target.region,
        "account": stack.target.account,
        "status": state.status,
    }


CONFIRMED = {"deploy", "destroy"}
"""The commands that change something, and ask before."""
BUILDING = {"deploy", "diff"}
"""Those that build the project and take parameters."""
COMMANDS: dict[str, Callable[[Call], int]] = {
    "deploy": _deploy,
    "diff": _diff,
    "status": _status,
    "outputs": _outputs,
    "logs": _logs,
    "destroy": _destroy,
}
