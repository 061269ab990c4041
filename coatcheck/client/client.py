"""The client that blocks: the flows, carried by ``httpx.Client``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

from coatcheck.client.api import Api
from coatcheck.client.batch import Batch
from coatcheck.client.files.reference import UploadedFile
from coatcheck.client.files.source import CHUNK, Source, Uploadable
from coatcheck.client.files.upload import OnProgress, upload
from coatcheck.client.flow import Flow, Pause, Request, Work
from coatcheck.client.gathering import PAGE, Gathering, Listing
from coatcheck.client.orders import Named, Order, Span
from coatcheck.client.tasks import AnyTasks, TaskTree
from coatcheck.client.ticket import Ticket
from coatcheck.client.transport import RETRY_FOR, TIMEOUT, Drive, Reading, address, answer
from coatcheck.client.wire import Answer, Call, Close, More, Open, Put
from coatcheck.client.workflow import Workflow

if TYPE_CHECKING:
    # The default is for type checkers, which know typing_extensions without its being installed.
    from typing_extensions import TypeVar as TypeVarWithDefault

    Tasks = TypeVarWithDefault("Tasks", default=AnyTasks)
else:
    Tasks = TypeVar("Tasks")

Value = TypeVar("Value")


class Client(Generic[Tasks]):
    """A client of one API. May be used by many threads, and in a ``with`` statement.

    Takes the API's URL (default: ``COATCHECK_URL``), a bearer token (default: ``COATCHECK_TOKEN``), the
    seconds for one answer, the seconds for which a request that can do no harm is tried again (0: never),
    and what httpx signs requests with or sends them through instead of its own.

    Raises SettingsError: there is no URL, or it is none.
    """

    tasks: Tasks
    """The tasks, as functions: ``client.tasks.examples.short_task()``."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = TIMEOUT,
        retry_for: float = RETRY_FOR,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._address = address(url, token, timeout, os.environ)
        self._api = Api(retry_for)
        self._http = httpx.Client(auth=auth, transport=transport)
        self.tasks = TaskTree(self.submit_order)  # type: ignore[assignment]

    @property
    def retry_for(self) -> float:
        """Seconds for which a request that can do no harm is tried again; may be set."""
        return self._api.retry_for

    @retry_for.setter
    def retry_for(self, seconds: float) -> None:
        self._api.retry_for = seconds

    def submit(
        self,
        task: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        delay: Span | None = None,
        at: datetime | str | None = None,
        timeout: Span | None = None,
        callback: str | None = None,
        after: Named | Sequence[Named] = (),
        if_failed: str | None = None,
        idempotency_key: str | None = None,
    ) -> Ticket[Any]:
        """Submit a job of a task. The same call with the same key again gives the same job.

        Paths, open files and bytes among the arguments are uploaded where the task takes a file.

        Raises InvalidArgumentsError, UnknownTaskError and other problems; ConnectionFailedError.
        """
        order = Order[Any](task, arguments or {}, queue, delay, at, timeout, callback, after, if_failed)
        return self.submit_order(order, idempotency_key)

    def submit_order(self, order: Order[Value], idempotency_key: str | None = None) -> Ticket[Value]:
        """Submit a job that was made before."""
        return Ticket(self._run, self._api, self._run(self._api.submit(order, idempotency_key)))

    def submit_many(
        self, orders: Iterable[Order[Value]], *, idempotency_key: str | None = None
    ) -> list[Ticket[Value]]:
        """Submit many jobs with one request, or more beyond 1,000 jobs or a megabyte. Each is all or nothing.

        Raises what ``submit`` raises. When some requests came through, the same call with the same key
        submits the others only.
        """
        seen = self._run(self._api.submit_many(orders, idempotency_key))
        return [Ticket(self._run, self._api, job) for job in seen]

    def workflow(self) -> Workflow:
        """Jobs that come after each other, to be submitted at once."""
        return Workflow(self._run, self._api)

    def batch(self, batch_id: str) -> Batch:
        """Jobs that were submitted together, by the id that each has (``ticket.job.batch``).

        Raises UnknownBatchError.
        """
        return Batch(self._run, self._api, self._run(self._api.batch(batch_id)))

    def upload(
        self,
        file: Uploadable,
        name: str | None = None,
        type: str | None = None,  # noqa: A002
        on_progress: OnProgress | None = None,
        *,
        resume: str | None = None,
    ) -> UploadedFile:
        """Upload a file to be given as an argument, as often as wanted until it expires.

        Takes a path, a file that is open in binary mode or bytes; its name and media type if they are to be
        others than its own; what is told how many bytes of how many were sent; and the id of an upload that
        was cut off, to send the rest of it.

        Raises TransferError, ConnectionFailedError, OSError, and problems such as FileTooLargeError.
        """
        source = Source(file, name, type)
        try:
            return self._run(upload(self._api, source, on_progress, resume))
        finally:
            source.close()

    def ticket(self, job_id: str) -> Ticket[Any]:
        """The ticket of a job that was submitted before. Raises UnknownJobError."""
        return Ticket(self._run, self._api, self._run(self._api.job(job_id)))

    def as_completed(
        self, tickets: Iterable[Ticket[Value]], timeout: float | None = None
    ) -> Iterator[Ticket[Value]]:
        """The tickets, each when its job is over. Raises WaitTimeoutError after that many seconds."""
        gathering = Gathering(self._api, tickets, timeout)
        while ticket := self._run(gathering.next()):
            yield ticket

    def list_jobs(
        self,
        *,
        status: str | None = None,
        queue: str | None = None,
        task: str | None = None,
        batch: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Ticket[Any]]:
        """The newest jobs, page by page as they are asked for. Takes filters, and the most jobs."""
        filters = {"status": status, "queue": queue, "task": task, "batch": batch}
        listing = Listing(self._api, filters, limit)
        while (page := self._run(listing.next())) is not None:
            for job in page:
                yield Ticket(self._run, self._api, job)

    def jobs_page(
        self,
        *,
        status: str | None = None,
        queue: str | None = None,
        task: str | None = None,
        batch: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> tuple[list[Ticket[Any]], str | None]:
        """One page of the newest jobs, and the cursor of the next page, None after the last.

        Takes filters, the cursor that another page gave, and the most jobs: up to 200.
        """
        filters = {"status": status, "queue": queue, "task": task, "batch": batch, "cursor": cursor}
        given = {name: value for name, value in filters.items() if value is not None}
        jobs, following = self._run(self._api.jobs({**given, "limit": str(limit)}))
        return [Ticket(self._run, self._api, job) for job in jobs], following

    def list_tasks(self) -> list[dict[str, Any]]:
        """The tasks, with the JSON Schema of their arguments, as ``GET /tasks`` tells them."""
        tasks: list[dict[str, Any]] = self._run(self._api.document("tasks"))["tasks"]
        return tasks

    def task(self, name: str) -> dict[str, Any]:
        """One task, as ``GET /tasks/{name}`` tells it. Raises UnknownTaskError."""
        return self._run(self._api.document("tasks", name))

    def list_queues(self) -> list[dict[str, Any]]:
        """The queues and their workers, as ``GET /queues`` tells them."""
        queues: list[dict[str, Any]] = self._run(self._api.document("queues"))["queues"]
        return queues

    def list_schedules(self) -> list[dict[str, Any]]:
        """The periodic tasks, and when they run, as ``GET /schedules`` tells them."""
        schedules: list[dict[str, Any]] = self._run(self._api.document("schedules"))["schedules"]
        return schedules

    def schedule(self, task: str) -> dict[str, Any]:
        """One periodic task, as ``GET /schedules/{task}`` tells it.

        Raises UnknownTaskError, UnknownScheduleError: it has no schedule.
        """
        return self._run(self._api.document("schedules", task))

    def pause_schedule(self, task: str) -> dict[str, Any]:
        """Let its ticks pass without a job from now on. Returns, and raises, what ``schedule`` does."""
        return self._run(self._api.pause_schedule(task, True))

    def resume_schedule(self, task: str) -> dict[str, Any]:
        """Let its ticks run again. Returns, and raises, what ``schedule`` does."""
        return self._run(self._api.pause_schedule(task, False))

    def run_schedule(self, task: str, *, idempotency_key: str | None = None) -> Ticket[Any]:
        """Submit a job with the schedule's arguments now, beside its ticks. Raises what ``schedule`` does."""
        return Ticket(self._run, self._api, self._run(self._api.run_schedule(task, idempotency_key)))

    def health(self) -> dict[str, Any]:
        """What ``GET /health`` says, whatever it is."""
        return self._run(self._api.health())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client[Tasks]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[Value]) -> Value:
        drive = Drive(flow, self._address)
        while step := drive.step:
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                drive.passed()
            elif isinstance(step, Work):
                step.do()
                drive.passed()
            else:
                try:
                    got = self._ask(step)
                except httpx.RequestError as error:
                    drive.failed(error)
                else:
                    drive.answered(got)
        return drive.value

    def _ask(self, request: Request) -> Answer:
        match request:
            case Call():
                response = self._http.send(self._address.request(self._http, request))
                return answer(response, response.content)
            case Put():
                # Only the API is told who asks: for a store the link says it all.
                response = self._http.send(self._address.to_store(self._http, request), auth=None)
                return answer(response, response.content)
            case Open():
                response = self._http.send(
                    self._address.to_store(self._http, request), auth=None, stream=True
                )
                return answer(response, b"", Reading(response, response.iter_raw(CHUNK)))
            case More(stream):
                return Answer(200, {}, next(stream.chunks, b""))
            case Close(stream):
                stream.response.close()
                return Answer(200, {}, b"")
