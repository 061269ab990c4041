"""``coatcheck client --stubs``: the tasks' exact signatures, for editors and type checkers."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coatcheck.catalog import TASK_NAME, Catalog
from infra.errors import StartError
from infra.remote import screen
from infra.remote.address import open_client
from infra.remote.python_types import Types

HEAD = '''\
"""The tasks' signatures. Made by 'coatcheck client --stubs'; make it again when the tasks have changed.

    from typing import TYPE_CHECKING
    from coatcheck.client import Client
    if TYPE_CHECKING:
        from {module} import Tasks

    client: "Client[Tasks]" = Client()

For an AsyncClient take AsyncTasks.
"""

import datetime
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from coatcheck.client import AsyncRemoteFile, AsyncTicket, FileArgument, Order, RemoteFile, TaskHandle, Ticket
'''
OWN_NAMES = {"with_options", "as_order"}
"""Names of the client's own: a task that is called so is reached with ``client.submit``."""
TICKETS = {"": "Ticket[{}]", "_async": "Awaitable[AsyncTicket[{}]]"}
"""What each kind of client gives for a submitted job, by the end of its classes' names."""
FILES = {"": "RemoteFile", "_async": "AsyncRemoteFile"}
"""What each kind makes of the files of a result."""
TREES = {"": "Tasks", "_async": "AsyncTasks"}
"""The class of all tasks for each kind."""


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck client --stubs``. Returns the exit status. Raises CoatcheckError."""
    stub = text(_tasks(arguments), Path(arguments.output).stem if arguments.output != "-" else "tasks")
    if arguments.output == "-":
        print(stub, end="", flush=True)
        return 0
    try:
        Path(arguments.output).write_text(stub)
    except OSError as error:
        raise StartError(f"{arguments.output} can't be written: {error.strerror}") from error
    screen.errors().print(f"{arguments.output}: written")
    return 0


def _tasks(arguments: Namespace) -> list[dict[str, Any]]:
    if arguments.catalog:
        catalog = Catalog.load(arguments.catalog)
        return [
            {"name": task.name, "description": task.description, "schema": task.schema, "result": task.result}
            for task in catalog.tasks
        ]
    with open_client(arguments) as client:
        tasks: list[dict[str, Any]] = client.list_tasks()
        return tasks


def text(tasks: list[dict[str, Any]], module: str = "tasks") -> str:
    """The stub of these tasks. Takes the name of the module that it will be.

    Raises StartError: a task's name is none.
    """
    # It becomes code, and whoever answers at the API's address chooses the names.
    if strange := [task["name"] for task in tasks if not TASK_NAME.fullmatch(task["name"])]:
        raise StartError(f"the API has a task {strange[0]!r}, which is no name of one; nothing was written")
    types = Types()
    tree = _Tree(types)
    classes: list[str] = []
    for task in tasks:
        name = types.unique(f"_{_camel(task['name'])}")
        tree.add(task["name"], name)
        classes += _task(task, name, types)
    return "\n".join([HEAD.format(module=module), *types.lines, *classes, *tree.lines()])


def _task(task: Mapping[str, Any], name: str, types: Types) -> Iterator[str]:
    """The classes of one task."""
    owner = name.removeprefix("_")
    parameters = "".join(_parameters(task["schema"], types, owner))
    definitions = task["result"].get("$defs", {})
    first = "_self" if "self" in task["schema"].get("properties", {}) else "self"
    for suffix, ticket in TICKETS.items():
        result = types.of(task["result"], definitions, owner, "Result", received=FILES[suffix])
        yield f"class {name}{suffix}(TaskHandle):"
        yield f"    def __call__({first}, /{parameters}) -> {ticket.format(result)}:"
        yield f"        {_docstring(task)}"
        yield f"    def as_order({first}, /{parameters}) -> Order[{result}]: ..."
        yield ""


def _parameters(schema: Mapping[str, Any], types: Types, owner: str) -> Iterator[str]:
    """The parameters of a call; all come by name, as they do in JSON."""
    properties = schema.get("properties", {})
    written = {name: value for name, value in properties.items() if types.is_name(name)}
    if written:
        yield ", *"
    for name, argument in written.items():
        kind = types.of(argument, schema.get("$defs", {}), owner, _camel(name))
        yield f", {name}: {kind}" + ("" if name in schema.get("required", ()) else " = ...")
    if len(written) < len(properties):
        yield ", **others: Any"


class _Tree:
    """A class for each module, which has its tasks and modules, and one for all."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._names = {"": ""}
        self._members: dict[str, list[str]] = {"": []}

    def add(self, task: str, name: str) -> None:
        """Add a task. Takes the name of its class."""
        module, _, function = task.rpartition(".")
        if function in OWN_NAMES:
            line = f"    # {function}: only by client.submit, since a method of the client has that name"
        else:
            line = f"    {function}: {name}{{suffix}}"
        self._known(module).append(line)

    def lines(self) -> Iterator[str]:
        """All classes, for both kinds of clients."""
        for suffix in TICKETS:
            for module, members in self._members.items():
                yield f"class {self._names[module]}{suffix}:" if module else f"class {TREES[suffix]}:"
                yield from (line.format(suffix=suffix) for line in members)
                yield "    ..."
                yield ""

    def _known(self, module: str) -> list[str]:
        """The members of a module, of which the one above knows."""
        if module not in self._members:
            above, _, name = module.rpartition(".")
            self._names[module] = self._types.unique(f"_{_camel(module)}_module")
            self._known(above).append(f"    {name}: {self._names[module]}{{suffix}}")
            self._members[module] = []
        return self._members[module]


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[_.]", name) if part)


def _docstring(task: Mapping[str, Any]) -> str:
    """What the task says of itself and of its arguments, written so that it can't end the text."""
    told = [task["description"] or task["name"]]
    told += [
        f"{name}: {argument['description']}"
        for name, argument in task["schema"].get("properties", {}).items()
        if argument.get("description")
    ]
    escaped = "\n\n".join(told).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\n        ")
    return f'"""{escaped}"""'
