"""``/queues``: how much waits, and which workers do what."""

from __future__ import annotations

from typing import Any

from chalicelib.context import current
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, Answer, json_answer
from chalicelib.routing import Route
from coatcheck.adapter import QueueInfo, WorkerInfo
from coatcheck.document import time
from coatcheck.scopes import Scope


def list_queues(request: Request) -> Answer:
    """Every queue of the settings and of the catalogue. Whose job a worker runs only its owner is told."""
    context = current()
    queues = context.adapter.queues(context.queues, request.caller.access)
    return json_answer({"queues": [_queue(queue) for queue in queues]}, headers=PRIVATE)


def _queue(queue: QueueInfo) -> dict[str, Any]:
    return {
        "name": queue.name,
        "counts": queue.counts,
        "oldest_wait": queue.oldest_wait,
        "workers": [_worker(worker) for worker in queue.workers],
    }


def _worker(worker: WorkerInfo) -> dict[str, Any]:
    return {
        "name": worker.name,
        "state": worker.state,
        "job": worker.job,
        "hostname": worker.hostname,
        "pid": worker.pid,
        "version": worker.version,
        "started_at": time(worker.started_at),
        "last_heartbeat": time(worker.last_heartbeat),
    }


ROUTES = (Route("GET", "/queues", list_queues, Scope.READ),)
