"""The ticket of a job: what its holder comes back with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar

from coatcheck.client.api import Api
from coatcheck.client.documents import Document, Seen
from coatcheck.client.errors import ENDINGS
from coatcheck.client.files.download import whole
from coatcheck.client.files.reference import FileReference, with_files
from coatcheck.client.files.remote import AsyncRemoteFile, RemoteFile
from coatcheck.client.flow import AsyncRun, Flow, Run
from coatcheck.client.watch import Update, Watch, until_end, whole_log
from coatcheck.job import Job, JobStatus, Progress

Result = TypeVar("Result")


class BaseTicket(Generic[Result]):
    """What both kinds of tickets share. Its attributes tell of the job as it was seen last (``seen``)."""

    def __init__(self, api: Api, seen: Seen) -> None:
        self._api = api
        self.seen = seen

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.job.task} {self.status}>"

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def job(self) -> Job:
        """The job, as it was seen last."""
        return self.seen.job

    @property
    def status(self) -> JobStatus:
        """The job's status, as it was seen last."""
        return self.job.status

    @property
    def progress(self) -> Progress | None:
        """The job's progress, as it was seen last."""
        return self.job.progress

    @property
    def document(self) -> Document:
        """The job as the API told it last, as JSON."""
        return self.seen.document

    def _see(self, flow: Flow[Seen]) -> Flow[Job]:
        self.seen = yield from flow
        return self.job

    def _result(self, timeout: float | None) -> Flow[Result]:
        # A list shows no results, so one that is over there is looked at too.
        seen = self.seen if "result" in self.document else (yield from self._api.job(self.id))
        job = yield from self._see(until_end(self._api, seen, timeout))
        if job.status in ENDINGS:
            raise ENDINGS[job.status](job)
        plain = job.result
        if file := self.document.get("result_file"):  # too large for the document
            plain = json.loads((yield from whole(self._api, self.id, file)))
        result: Result = with_files(plain, self._file)
        return result

    def _file(self, document: Document) -> FileReference:
        """A file of the result."""
        raise NotImplementedError

    def _updates(self, watch: Watch) -> Flow[list[Update]]:
        updates, self.seen = yield from watch.next(self.seen)
        return updates


class Ticket(BaseTicket[Result]):
    """The ticket of a job. Iterating over it gives each change of the job, up to its end."""

    def __init__(self, run: Run, api: Api, seen: Seen) -> None:
        super().__init__(api, seen)
        self._run = run

    def refresh(self) -> Job:
        """Look at the job now. Raises UnknownJobError when its time is over."""
        return self._run(self._see(self._api.job(self.id)))

    def result(self, timeout: float | None = None) -> Result:
        """The job's result, once it is over, its files as RemoteFile.

        Takes the most seconds to wait (None: without end). Raises JobFailedError, JobStoppedError,
        JobCanceledError, WaitTimeoutError.
        """
        return self._run(self._result(timeout))

    def log(self) -> str:
        """All that the task has printed so far."""
        return self._run(whole_log(self._api, self.id))

    def cancel(self) -> Job:
        """Cancel the job, or stop it if it runs. Raises ConflictError when it is over."""
        return self._run(self._see(self._api.cancel(self.id)))

    def retry(self) -> Job:
        """Run the job again. Raises ConflictError unless it failed, was stopped or canceled."""
        return self._run(self._see(self._api.retry(self.id)))

    def _file(self, document: Document) -> RemoteFile:
        return RemoteFile(self._run, self._api, self.id, document)

    def __iter__(self) -> Iterator[Update]:
        return self._Updates(self, Watch(self._api))

    class _Updates:
        """Goes on where it was after an interruption, Ctrl-C say; a generator would be over."""

        def __init__(self, ticket: Ticket[Any], watch: Watch) -> None:
            self._ticket = ticket
            self._watch = watch
            self._pending: list[Update] = []

        def __iter__(self) -> Iterator[Update]:
            return self

        def __next__(self) -> Update:
            if not self._pending:
                self._pending += self._ticket._run(self._ticket._updates(self._watch))
            if not self._pending:
                raise StopIteration
            return self._pending.pop(0)


class AsyncTicket(BaseTicket[Result]):
    """The ticket of a job, for asyncio. Iterating over it gives each change of the job, up to its end."""

    def __init__(self, run: AsyncRun, api: Api, seen: Seen) -> None:
        super().__init__(api, seen)
        self._run = run

    async def refresh(self) -> Job:
        """Look at the job now. Raises UnknownJobError when its time is over."""
        return await self._run(self._see(self._api.job(self.id)))

    async def result(self, timeout: float | None = None) -> Result:
        """The job's result, once it is over, its files as AsyncRemoteFile.

        Takes the most seconds to wait (None: without end). Raises JobFailedError, JobStoppedError,
        JobCanceledError, WaitTimeoutError.
        """
        return await self._run(self._result(timeout))

    async def log(self) -> str:
        """All that the task has printed so far."""
        return await self._run(whole_log(self._api, self.id))

    async def cancel(self) -> Job:
        """Cancel the job, or stop it if it runs. Raises ConflictError when it is over."""
        return await self._run(self._see(self._api.cancel(self.id)))

    async def retry(self) -> Job:
        """Run the job again. Raises ConflictError unless it failed, was stopped or canceled."""
        return await self._run(self._see(self._api.retry(self.id)))

    def _file(self, document: Document) -> AsyncRemoteFile:
        return AsyncRemoteFile(self._run, self._api, self.id, document)

    async def __aiter__(self) -> AsyncIterator[Update]:
        watch = Watch(self._api)
        while updates := await self._run(self._updates(watch)):
            for update in updates:
                yield update
