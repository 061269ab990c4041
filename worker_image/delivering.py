"""The task that tells a job's end to its callback. Retries, time-out and log are those of any job."""

from __future__ import annotations

import hashlib
import json
import time
from functools import lru_cache
from typing import Any

from coatcheck import __version__, callback_secret
from coatcheck.adapter import QueueAdapter
from coatcheck.callbacks import parse_url
from coatcheck.connection import connect
from coatcheck.deliveries import Attempt, record_attempt
from coatcheck.document import job_fields
from coatcheck.errors import CoatcheckError, UnknownJobError
from coatcheck.job import Job, format_time, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings, load
from worker_image.outbound import OutboundError, post

MAX_BODY = 256 * 1024
"""Bytes of a message. Arguments and result are left out of one that would be larger."""
GONE = 410
"""The status by which a receiver says that it wants no further attempt."""


class DeliveryError(CoatcheckError):
    """An attempt has failed; another one follows, as long as there are any left."""


class Deliverer:
    """What deliveries need in this process. Takes the settings; connects at the first delivery."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        client = connect(settings)
        self._adapter = QueueAdapter(client, settings)
        self._keys = Keys(settings.prefix)
        self._scripts = Scripts(client, settings.prefix)

    def deliver(self, job_id: str, url: str, delivery: str) -> dict[str, Any]:
        """One attempt. Returns what is kept as the delivery's result.

        Raises DeliveryError, UnavailableError, SecretError.
        """
        try:
            job = self._adapter.get(job_id)
        except UnknownJobError:
            return {"told": False, "reason": "the job is not kept any more"}
        if not job.ended:
            return {"told": False, "reason": f"the job is {job.status} again; its next end is told"}
        number = self._adapter.get(delivery).attempt
        began, started = format_time(utcnow()), time.monotonic()
        status, error = self._send(job, url)
        seconds = round(time.monotonic() - started, 3)
        attempt = Attempt(delivery, number, began, seconds, event_of(job), status, error)
        record_attempt(self._scripts, self._keys, job_id, attempt)
        print(f"attempt {number}: {error or f'the receiver answered {status}'}")
        if error is not None and status != GONE:
            raise DeliveryError(error)
        return {"told": error is None, "status": status}

    def _send(self, job: Job, url: str) -> tuple[int | None, str | None]:
        """The status of the receiver's answer and what is wrong; None for what there is not."""
        body, now = body_of(job), int(time.time())
        masters = callback_secret.read(self._settings.callback_secret)
        headers = callback_secret.headers(masters, job.owner or "", message_id(job), now, body)
        headers |= {"Content-Type": "application/json", "User-Agent": f"Coatcheck/{__version__}"}
        try:
            status = post(parse_url(url, self._settings), headers, body, self._settings)
        except ValueError as error:
            return None, f"the URL {error}"
        except OutboundError as error:
            return None, str(error)
        return status, None if 200 <= status < 300 else f"the receiver answered {status}"


def event_of(job: Job) -> str:
    """The type of the message about an ended job, such as ``job.finished``."""
    return f"job.{job.status}"


def message_id(job: Job) -> str:
    """The message's id: the same for each attempt to tell the same end, and for no other."""
    ended = job.ended_at and format_time(job.ended_at)
    digest = hashlib.sha256(f"{job.id} {job.status} {ended}".encode()).hexdigest()
    return f"msg_{digest[:32]}"


def body_of(job: Job) -> bytes:
    """The message: what Standard Webhooks recommends, with the job's document but no traceback."""
    data = job_fields(job)
    if data["error"]:
        del data["error"]["traceback"]
    body = _body(job, data)
    if len(body) > MAX_BODY:
        omitted = ["arguments", "result"]
        kept = {name: value for name, value in data.items() if name not in omitted}
        body = _body(job, {**kept, "omitted": omitted})
    return body


def _body(job: Job, data: dict[str, Any]) -> bytes:
    message = {"type": event_of(job), "timestamp": data["ended_at"], "data": data}
    return json.dumps(message, separators=(",", ":")).encode()


@lru_cache
def _deliverer() -> Deliverer:
    return Deliverer(load())


def deliver(job: str, url: str, delivery: str) -> dict[str, Any]:
    """Tell the end of a job to the URL of its callback."""
    return _deliverer().deliver(job, url, delivery)
