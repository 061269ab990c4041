"""``/health``: for load balancers and monitors."""

from __future__ import annotations

from chalicelib.context import current
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, Answer, json_answer
from chalicelib.routing import PUBLIC, Route
from coatcheck.adapter import QueueInfo
from coatcheck.errors import UnavailableError


def get_health(_request: Request) -> Answer:
    """200 if Redis answers and each queue has a worker that lives, else 503.

    ``status``: ``ok``; ``degraded``: jobs are taken, but on some queue nobody runs them;
    ``unavailable``: Redis is away.
    """
    context = current()
    queues: list[QueueInfo] = []
    headers = dict(PRIVATE)
    try:
        queues = context.adapter.queues(context.queues)
        status = "ok" if all(queue.workers for queue in queues) else "degraded"
    except UnavailableError as error:
        status = "unavailable"
        headers |= error.headers
    document = {
        "status": status,
        "redis": status != "unavailable",
        "queues": {queue.name: {"workers": len(queue.workers)} for queue in queues},
        "catalog": context.catalog.version,
    }
    return json_answer(document, 200 if status == "ok" else 503, headers)


ROUTES = (Route("GET", "/health", get_health, PUBLIC),)
