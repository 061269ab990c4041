"""The queues' figures for CloudWatch, written to the function's log each minute.

In CloudWatch's embedded metric format (Amazon CloudWatch user guide, "Specification: Embedded metric
format"): the log line itself becomes the metrics, so no endpoint and no permission is needed. When Redis
can't be read nothing is written: alarms treat missing figures as what they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from chalicelib.context import current
from coatcheck.adapter import QueueInfo

NAMESPACE = "Coatcheck"
COUNT, SECONDS = "Count", "Seconds"
UNITS = {
    "QueuedJobs": COUNT,
    "ScheduledJobs": COUNT,
    "StartedJobs": COUNT,
    "FailedJobs": COUNT,
    "Workers": COUNT,
    "BacklogPerWorker": COUNT,
    "OldestWait": SECONDS,
}
"""Each metric's unit. ``BacklogPerWorker`` is what the number of workers is scaled by."""


def publish() -> None:
    """Write the figures of all queues together. Raises UnavailableError, SettingsError, CatalogError."""
    context = current()
    queues = context.adapter.queues(context.queues)
    print(document(queues, context.settings.stack, int(time.time() * 1000)))


def document(queues: Sequence[QueueInfo], stack: str, milliseconds: int) -> str:
    """The figures as one line of JSON. Takes the stack's name and the time since 1970."""
    queued, scheduled, started, failed = (
        sum(queue.counts[status] for queue in queues)
        for status in ("queued", "scheduled", "started", "failed")
    )
    workers = sum(len(queue.workers) for queue in queues)
    figures: dict[str, Any] = {
        "QueuedJobs": queued,
        "ScheduledJobs": scheduled,
        "StartedJobs": started,
        "FailedJobs": failed,
        "Workers": workers,
        # With no worker yet the whole backlog is one worker's.
        "BacklogPerWorker": (queued + started) / max(workers, 1),
        "OldestWait": max((queue.oldest_wait or 0.0 for queue in queues), default=0.0),
    }
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in UNITS.items()],
    }
    head = {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}, "Stack": stack}
    return json.dumps(head | figures)
