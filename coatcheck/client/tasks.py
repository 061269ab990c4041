"""``client.tasks.examples.short_task(...)``: the tasks as if they were functions here.

Any name may be written; the API knows which exist. ``coatcheck client --stubs`` writes the exact signatures
for editors and type checkers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, Never, TypeAlias, TypeVar

from coatcheck.client.orders import Named, Order, Span
from coatcheck.client.ticket import AsyncTicket, Ticket

Submit = Callable[[Order[Any], str | None], Any]
Handle = TypeVar("Handle", bound="TaskHandle")
Submitted = TypeVar("Submitted")


class TaskHandle:
    """A task, with the options that its next job gets. Stubs derive their tasks from it."""

    def __init__(self, submit: Submit, order: Order[Any], key: str | None = None) -> None:
        self._submit = submit
        self._order = order
        self._key = key

    def with_options(
        self: Handle,
        *,
        queue: str | None = None,
        delay: Span | None = None,
        at: datetime | str | None = None,
        timeout: Span | None = None,
        callback: str | None = None,
        after: Named | Sequence[Named] = (),
        if_failed: str | None = None,
        idempotency_key: str | None = None,
    ) -> Handle:
        """The same task with these options: ``task.with_options(delay="5m")(to=3)``."""
        order = replace(
            self._order,
            queue=queue,
            delay=delay,
            at=at,
            timeout=timeout,
            callback=callback,
            after=after,
            if_failed=if_failed,
        )
        return type(self)(self._submit, order, idempotency_key)


class AnyTask(TaskHandle, Generic[Submitted]):
    """A task, whatever its arguments, when it is called; a module when it is asked for a name."""

    def __getattr__(self, name: str) -> AnyTask[Submitted]:
        return AnyTask(self._submit, Order(f"{self._order.task}.{_public(name)}"))

    def __call__(self, /, *positional: Never, **arguments: Any) -> Submitted:
        """Submit a job of this task. Raises TypeError: the arguments of a job have names."""
        if positional:
            name = self._order.task
            raise TypeError(f"{name} takes its arguments by name: {name}(argument=...)")
        submitted: Submitted = self._submit(self.as_order(**arguments), self._key)
        return submitted

    def as_order(self, /, **arguments: Any) -> Order[Any]:
        """A job of this task that is not submitted yet, for ``submit_many``."""
        return replace(self._order, arguments=arguments)


class TaskTree(Generic[Submitted]):
    """All tasks, by module and name. Takes what submits one."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    def __getattr__(self, name: str) -> AnyTask[Submitted]:
        return AnyTask(self._submit, Order(_public(name)))


AnyTasks: TypeAlias = TaskTree[Ticket[Any]]
AnyAsyncTasks: TypeAlias = TaskTree[Awaitable[AsyncTicket[Any]]]


def _public(name: str) -> str:
    """A name that a task may have. Raises AttributeError: what copy and pickle ask for, say."""
    if name.startswith("_"):
        raise AttributeError(name)
    return name
