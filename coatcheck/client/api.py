"""Every call of the API that the client makes, as flows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from coatcheck.client.documents import Seen, SeenBatch, read, seen, seen_batch
from coatcheck.client.files.arguments import Files, has_sources
from coatcheck.client.files.upload import upload
from coatcheck.client.flow import Flow, Pause, exchange
from coatcheck.client.orders import Order, batches, one_batch
from coatcheck.client.wire import Answer, Call, encode, path
from coatcheck.errors import CoatcheckError, InvalidRequestError

LONGEST_WAIT = 20
"""Seconds of one ``?wait=``: API Gateway ends any request after 29."""
HEALTHY = frozenset({200, 503})
"""Both are answers to whether the API is well."""


class Api:
    """What one client knows of its API. Takes for how many seconds a call is tried again."""

    def __init__(self, retry_for: float) -> None:
        self.retry_for = retry_for
        self._long_poll = True
        self._schemas: dict[str, Any] = {}

    def submit(self, order: Order[Any], key: str | None) -> Flow[Seen]:
        """Submit one job, once: with a key of its own unless one is given. Its files are uploaded before."""
        order = yield from self._with_files(order)
        answer = yield from self._send(
            Call(
                "POST",
                path("tasks", order.task),
                order.options,
                encode(order.arguments),
                {"Content-Type": "application/json", "Idempotency-Key": key or new_key()},
                repeatable=True,
            )
        )
        return seen(read(answer), answer)

    def submit_many(self, orders: Iterable[Order[Any]], key: str | None) -> Flow[list[Seen]]:
        """Submit many jobs, in as few requests as there can be, each of them all or nothing."""
        key = key or new_key()
        ready = []
        for order in orders:
            ready.append((yield from self._with_files(order)))
        submitted: list[Seen] = []
        for number, body in enumerate(batches(ready)):
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"{key}-{number}"}
            call = Call("POST", "/jobs", body=body, headers=headers, repeatable=True)
            try:
                answer = yield from self._send(call)
            except CoatcheckError as error:
                if submitted:
                    error.add_note(
                        f"{len(submitted)} jobs were submitted before. The same call again with"
                        f" idempotency_key={key!r} submits the others only."
                    )
                raise
            submitted += [seen(document, answer) for document in read(answer)["jobs"]]
        return submitted

    def submit_batch(self, orders: Iterable[Order[Any]], key: str | None) -> Flow[list[Seen]]:
        """Submit jobs that name each other, in one request, all or nothing."""
        ready = []
        for order in orders:
            ready.append((yield from self._with_files(order)))
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or new_key()}
        call = Call("POST", "/jobs", body=one_batch(ready), headers=headers, repeatable=True)
        answer = yield from self._send(call)
        return [seen(document, answer) for document in read(answer)["jobs"]]

    def batch(self, batch_id: str) -> Flow[SeenBatch]:
        """The batch as it is now."""
        answer = yield from self._get(path("batches", batch_id))
        return seen_batch(answer)

    def cancel_batch(self, batch_id: str) -> Flow[SeenBatch]:
        """Cancel those of its jobs that wait, stop those that run."""
        answer = yield from self._send(Call("DELETE", path("batches", batch_id)))
        return seen_batch(answer)

    def job(self, job_id: str) -> Flow[Seen]:
        """The job as it is now."""
        answer = yield from self._get(path("jobs", job_id))
        return seen(read(answer), answer)

    def job_after(self, known: Seen, seconds: float) -> Flow[Seen]:
        """The job at its end, or as it is after at most that many seconds.

        The server holds the request where it can (``?wait=``). One that can't refuses the parameter or
        answers at once; then the job is looked at after ``Retry-After``.
        """
        begin = time.monotonic()
        job_id = known.job.id
        if self._long_poll and seconds >= 1:
            wait = min(int(seconds), LONGEST_WAIT)
            try:
                answer = yield from self._get(path("jobs", job_id), {"wait": str(wait)}, patience=wait)
            except InvalidRequestError as error:
                if not any(entry.pointer == "?wait" for entry in error.errors):
                    raise
                self._long_poll = False
            else:
                known = seen(read(answer), answer)
                if known.job.ended or time.monotonic() - begin >= min(wait, known.retry_after) * 0.9:
                    return known
        yield Pause(max(0.0, min(seconds, known.retry_after) - (time.monotonic() - begin)))
        return (yield from self.job(job_id))

    def job_document(self, job_id: str) -> Flow[dict[str, Any]]:
        """The job as it is now, as the API tells it."""
        return self.document("jobs", job_id)

    def cancel(self, job_id: str) -> Flow[Seen]:
        """Cancel a job that waits, stop one that runs."""
        return self._once("DELETE", path("jobs", job_id))

    def retry(self, job_id: str) -> Flow[Seen]:
        """Run a job again."""
        return self._once("POST", path("jobs", job_id, "retry"))

    def log(self, job_id: str, after: str = "") -> Flow[dict[str, Any]]:
        """A page of a job's log: ``text``, ``next``, ``ended``, ``cut``."""
        answer = yield from self._get(path("jobs", job_id, "log"), {"after": after} if after else {})
        return read(answer)

    def jobs(self, query: Mapping[str, str]) -> Flow[tuple[list[Seen], str | None]]:
        """A page of the list of jobs, and the cursor of the next."""
        answer = yield from self._get("/jobs", query)
        document = read(answer)
        return [seen(entry, answer) for entry in document["jobs"]], document["next"]

    def new_upload(self, file: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Announce a file. One that was announced twice since an answer was lost does no harm: it expires."""
        return self._post(path("uploads"), file)

    def upload_state(self, upload_id: str, parts: str | None = None) -> Flow[dict[str, Any]]:
        """What of a file has arrived, and links for what has not; of the parts ``1-100``, say."""
        answer = yield from self._get(path("uploads", upload_id), {"parts": parts} if parts else {})
        return read(answer)

    def complete_upload(self, upload_id: str, parts: list[dict[str, Any]]) -> Flow[dict[str, Any]]:
        """All of a file has arrived. Returns its document."""
        return self._post(path("uploads", upload_id, "complete"), {"parts": parts})

    def document(self, *segments: str) -> Flow[dict[str, Any]]:
        """Any other document, by the segments of its path."""
        answer = yield from self._get(path(*segments))
        return read(answer)

    def pause_schedule(self, task: str, paused: bool) -> Flow[dict[str, Any]]:
        """Pause a periodic task, or resume it; either may be asked for twice."""
        where = path("schedules", task, "pause" if paused else "resume")
        answer = yield from self._send(Call("POST", where, repeatable=True))
        return read(answer)

    def run_schedule(self, task: str, key: str | None) -> Flow[Seen]:
        """Submit a job of a periodic task, once: with a key of its own unless one is given."""
        return self._once("POST", path("schedules", task, "run"), key)

    def health(self) -> Flow[dict[str, Any]]:
        """What /health says; that the API is ailing is an answer."""
        answer = yield Call("GET", "/health")
        assert answer is not None
        if answer.status not in HEALTHY:
            answer = yield from self._get("/health")
        return read(answer)

    def _with_files(self, order: Order[Any]) -> Flow[Order[Any]]:
        """The order with its files uploaded; only where there may be some the task is asked for."""
        if not has_sources(order.arguments):
            return order
        if order.task not in self._schemas:
            self._schemas[order.task] = (yield from self.document("tasks", order.task))["schema"]
        files = Files(self._schemas[order.task], lambda source: upload(self, source))
        return replace(order, arguments=(yield from files.uploaded(order.arguments)))

    def _once(self, method: str, where: str, key: str | None = None) -> Flow[Seen]:
        """Do something about a job, once however often it has to be sent: with a key unless one is given."""
        headers = {"Idempotency-Key": key or new_key()}
        answer = yield from self._send(Call(method, where, headers=headers, repeatable=True))
        return seen(read(answer), answer)

    def _post(self, where: str, document: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        answer = yield from self._send(Call("POST", where, {}, encode(document), headers, repeatable=True))
        return read(answer)

    def _get(self, where: str, query: Mapping[str, str] | None = None, patience: float = 0) -> Flow[Answer]:
        return self._send(Call("GET", where, query or {}, repeatable=True, patience=patience))

    def _send(self, call: Call) -> Flow[Answer]:
        return exchange(call, self.retry_for)


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return uuid4().hex
