"""The client for asyncio: the same flows, carried by ``httpx.AsyncClient``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

from coatcheck.client.api import Api
from coatcheck.client.batch import AsyncBatch
from coatcheck.client.files.reference import UploadedFile
from coatcheck.client.files.source import CHUNK, Source, Uploadable
from coatcheck.client.files.upload import OnProgress, upload
from coatcheck.client.flow import Flow, Pause, Request, Work
from coatcheck.client.gathering import PAGE, Gathering, Listing
from coatcheck.client.orders import Named, Order, Span
from coatcheck.client.tasks import AnyAsyncTasks, TaskTree
from coatcheck.client.ticket import AsyncTicket
from coatcheck.client.transport import RETRY_FOR, TIMEOUT, Drive, Reading, address, answer
from coatcheck.client.wire import Answer, Call, Close, More, Open, Put
from coatcheck.client.workflow import AsyncWorkflow

if TYPE_CHECKING:
    # The default is for type checkers, which know typing_extensions without its being installed.
    from typing_extensions import TypeVar as TypeVarWithDefault

    AsyncTasks = TypeVarWithDefault("AsyncTasks", default=AnyAsyncTasks)
else:
    AsyncTasks = TypeVar("AsyncTasks")

Value = TypeVar("Value")


class AsyncClient(Generic[AsyncTasks]):
    """A client of one API, for asyncio. May be used in an ``async with`` statement.

    Takes the API's URL (default: ``COATCHECK_URL``), a bearer token (default: ``COATCHECK_TOKEN``), the
    seconds for one answer, the seconds for which a request that can do no harm is tried again (0: never),
    and what httpx signs requests with or sends them through instead of its own.

    Raises SettingsError: there is no URL, or it is none.
    """

    tasks: AsyncTasks
    """The tasks, as functions: ``await client.tasks.examples.short_task()``."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = TIMEOUT,
        retry_for: float = RETRY_FOR,
        auth: httpx.Auth | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._address = address(url, token, timeout, os.environ)
        self._api = Api(retry_for)
        self._http = httpx.AsyncClient(auth=auth, transport=transport)
        self.tasks = TaskTree(self.submit_order)  # type: ignore[assignment]

    @property
    def retry_for(self) -> float:
        """Seconds for which a request that can do no harm is tried again; may be set."""
        return self._api.retry_for

    @retry_for.setter
    def retry_for(self, seconds: float) -> None:
        self._api.retry_for = seconds

    async def submit(
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
    ) -> AsyncTicket[Any]:
        """Submit a job of a task. The same call with the same key again gives the same job.

        Paths, open files and bytes among the arguments are uploaded where the task takes a file.

        Raises InvalidArgumentsError, UnknownTaskError and other problems; ConnectionFailedError.
        """
        order = Order[Any](task, arguments or {}, queue, delay, at, timeout, callback, after, if_failed)
        return await self.submit_order(order, idempotency_key)

    async def submit_order(
        self, order: Order[Value], idempotency_key: str | None = None
    ) -> AsyncTicket[Value]:
        """Submit a job that was made before."""
        return AsyncTicket(self._run, self._api, await self._run(self._api.submit(order, idempotency_key)))

    async def submit_many(
        self, orders: Iterable[Order[Value]], *, idempotency_key: str | None = None
    ) -> list[AsyncTicket[Value]]:
        """Submit many jobs with one request, or more beyond 1,000 jobs or a megabyte. Each is all or nothing.

        Raises what ``submit`` raises. When some requests came through, the same call with the same key
        submits the others only.
        """
        seen = await self._run(self._api.submit_many(orders, idempotency_key))
        return [AsyncTicket(self._run, self._api, job) for job in seen]

    def workflow(self) -> AsyncWorkflow:
        """Jobs that come after each other, to be submitted at once."""
        return AsyncWorkflow(self._run, self._api)

    async def batch(self, batch_id: str) -> AsyncBatch:
        """Jobs that were submitted together, by the id that each has (``ticket.job.batch``).

        Raises UnknownBatchError.
        """
        return AsyncBatch(self._run, self._api, await self._run(self._api.batch(batch_id)))

    async def upload(
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
            return await self._run(upload(self._api, source, on_progress, resume))
        finally:
            source.close()

    async def ticket(self, job_id: str) -> AsyncTicket[Any]:
        """The ticket of a job that was submitted before. Raises UnknownJobError."""
        return AsyncTicket(self._run, self._api, await self._run(self._api.job(job_id)))

    async def as_completed(
        self, tickets: Iterable[AsyncTicket[Value]], timeout: float | None = None
    ) -> AsyncIterator[AsyncTicket[Value]]:
        """The tickets, each when its job is over. Raises WaitTimeoutError after that many seconds."""
        gathering = Gathering(self._api, tickets, timeout)
        while ticket := await self._run(gathering.next()):
            yield ticket

    async def list_jobs(
        self,
        *,
        status: str | None = None,
        queue: str | None = None,
        task: str | None = None,
        batch: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[AsyncTicket[Any]]:
        """The newest jobs, page by page as they are asked for. Takes filters, and the most jobs."""
        filters = {"status": status, "queue": queue, "task": task, "batch": batch}
        listing = Listing(self._api, filters, limit)
        while (page := await self._run(listing.next())) is not None:
            for job in page:
                yield AsyncTicket(self._run, self._api, job)

    async def jobs_page(
        self,
        *,
        status: str | None = None,
        queue: str | None = None,
        task: str | None = None,
        batch: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> tuple[list[AsyncTicket[Any]], str | None]:
        """One page of the newest jobs, and the cursor of the next page, None after the last.

        Takes filters, the cursor that another page gave, and the most jobs: up to 200.
        """
        filters = {"status": status, "queue": queue, "task": task, "batch": batch, "cursor": cursor}
        given = {name: value for name, value in filters.items() if value is not None}
        jobs, following = await self._run(self._api.jobs({**given, "limit": str(limit)}))
        return [AsyncTicket(self._run, self._api, job) for job in jobs], following

    async def list_tasks(self) -> list[dict[str, Any]]:
        """The tasks, with the JSON Schema of their arguments, as ``GET /tasks`` tells them."""
        tasks: list[dict[str, Any]] = (await self._run(self._api.document("tasks")))["tasks"]
        return tasks

    async def task(self, name: str) -> dict[str, Any]:
        """One task, as ``GET /tasks/{name}`` tells it. Raises UnknownTaskError."""
        return await self._run(self._api.document("tasks", name))

    async def list_queues(self) -> list[dict[str, Any]]:
        """The queues and their workers, as ``GET /queues`` tells them."""
        queues: list[dict[str, Any]] = (await self._run(self._api.document("queues")))["queues"]
        return queues

    async def list_schedules(self) -> list[dict[str, Any]]:
        """The periodic tasks, and when they run, as ``GET /schedules`` tells them."""
        schedules: list[dict[str, Any]] = (await self._run(self._api.document("schedules")))["schedules"]
        return schedules

    async def schedule(self, task: str) -> dict[str, Any]:
        """One periodic task, as ``GET /schedules/{task}`` tells it.

        Raises UnknownTaskError, UnknownScheduleError: it has no schedule.
        """
        return await self._run(self._api.document("schedules", task))

    async def pause_schedule(self, task: str) -> dict[str, Any]:
        """Let its ticks pass without a job from now on. Returns, and raises, what ``schedule`` does."""
        return await self._run(self._api.pause_schedule(task, True))

    async def resume_schedule(self, task: str) -> dict[str, Any]:
        """Let its ticks run again. Returns, and raises, what ``schedule`` does."""
        return await self._run(self._api.pause_schedule(task, False))

    async def run_schedule(self, task: str, *, idempotency_key: str | None = None) -> AsyncTicket[Any]:
        """Submit a job with the schedule's arguments now, beside its ticks. Raises what ``schedule`` does."""
        seen = await self._run(self._api.run_schedule(task, idempotency_key))
        return AsyncTicket(self._run, self._api, seen)

    async def health(self) -> dict[str, Any]:
        """What ``GET /health`` says, whatever it is."""
        return await self._run(self._api.health())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient[AsyncTasks]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[Value]) -> Value:
        drive = Drive(flow, self._address)
        while step := drive.step:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                drive.passed()
            elif isinstance(step, Work):
                await asyncio.to_thread(step.do)
                drive.passed()
            else:
                try:
                    got = await self._ask(step)
                except httpx.RequestError as error:
                    drive.failed(error)
                else:
                    drive.answered(got)
        return drive.value

    async def _ask(self, request: Request) -> Answer:
        match request:
            case Call():
                response = await self._http.send(self._address.request(self._http, request))
                return answer(response, response.content)
            case Put():
                # Only the API is told who asks: for a store the link says it all.
                response = await self._http.send(self._address.to_store(self._http, request), auth=None)
                return answer(response, response.content)
            case Open():
                response = await self._http.send(
                    self._address.to_store(self._http, request), auth=None, stream=True
                )
                return answer(response, b"", Reading(response, response.aiter_raw(CHUNK)))
            case More(stream):
                return Answer(200, {}, await anext(stream.chunks, b""))
            case Close(stream):
                await stream.response.aclose()
                return Answer(200, {}, b"")
