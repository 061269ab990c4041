"""Every call of the API that the client makes, as flows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from coatcheck.client.documents import Seen, read, seen
from coatcheck.client.flow import Flow, Pause, exchange
from coatcheck.client.orders import Order, batches
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

    def submit(self, order: Order[Any], key: str | None) -> Flow[Seen]:
        """Submit one job, once: with a key of its own unless one is given."""
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
        submitted: list[Seen] = []
        for number, body in enumerate(batches(orders)):
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

    def cancel(self, job_id: str) -> Flow[Seen]:
        """Cancel a job that waits, stop one that runs."""
        answer = yield from self._send(Call("DELETE", path("jobs", job_id)))
        return seen(read(answer), answer)

    def retry(self, job_id: str) -> Flow[Seen]:
        """Run a job again."""
        answer = yield from self._send(Call("POST", path("jobs", job_id, "retry")))
        return seen(read(answer), answer)

    def log(self, job_id: str, after: str = "") -> Flow[dict[str, Any]]:
        """A page of a job's log: ``text``, ``next``, ``ended``, ``cut``."""
        answer = yield from self._get(path("jobs", job_id, "log"), {"after": after} if after else {})
        return read(answer)

    def jobs(self, query: Mapping[str, str]) -> Flow[tuple[list[Seen], str | None]]:
        """A page of the list of jobs, and the cursor of the next."""
        answer = yield from self._get("/jobs", query)
        document = read(answer)
        return [seen(entry, answer) for entry in document["jobs"]], document["next"]

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
        headers = {"Idempotency-Key": key or new_key()}
        answer = yield from self._send(
            Call("POST", path("schedules", task, "run"), headers=headers, repeatable=True)
        )
        return seen(read(answer), answer)

    def health(self) -> Flow[dict[str, Any]]:
        """What /health says; that the API is ailing is an answer."""
        answer = yield Call("GET", "/health")
        assert answer is not None
        if answer.status not in HEALTHY:
            answer = yield from self._get("/health")
        return read(answer)

    def _get(self, where: str, query: Mapping[str, str] | None = None, patience: float = 0) -> Flow[Answer]:
        return self._send(Call("GET", where, query or {}, repeatable=True, patience=patience))

    def _send(self, call: Call) -> Flow[Answer]:
        return exchange(call, self.retry_for)


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return uuid4().hex
