"""``/metrics``: the queues' figures as Prometheus reads them, where COATCHECK_METRICS says so."""

from __future__ import annotations

from collections import Counter

from chalicelib.context import current
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, Answer
from chalicelib.routing import Route
from coatcheck.errors import NotFoundError
from coatcheck.scopes import Scope


def get_metrics(_request: Request) -> Answer:
    """Depth, oldest wait and workers of each queue, read as for ``/queues``.

    Raises NotFoundError unless it is switched on.
    """
    context = current()
    if context.settings.metrics != "prometheus":
        raise NotFoundError("There are no metrics here: the setting COATCHECK_METRICS=prometheus makes them.")
    from coatcheck.exposition import CONTENT_TYPE, Family, render

    jobs = Family("coatcheck_jobs", "gauge", "Jobs by queue and status; failed ones include the stopped.")
    wait = Family(
        "coatcheck_oldest_wait_seconds", "gauge", "How long a queue's first job has waited; 0: none."
    )
    workers = Family("coatcheck_workers", "gauge", "Worker processes that live, by queue and state.")
    for queue in context.adapter.queues(context.queues):
        for status, count in queue.counts.items():
            jobs.add(count, queue=queue.name, status=status)
        wait.add(queue.oldest_wait or 0.0, queue=queue.name)
        states = Counter(worker.state for worker in queue.workers)
        for state in sorted({"idle", "busy", *states}):
            workers.add(states[state], queue=queue.name, state=state)
    return Answer(200, render([jobs, wait, workers]), {"Content-Type": CONTENT_TYPE, **PRIVATE})


ROUTES = (Route("GET", "/metrics", get_metrics, Scope.READ),)
