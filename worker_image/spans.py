"""What a run's span is, as plain data: its worker and its work-horse make the same one of it.

The work-horse makes it around the task. Where it can't end it, since it was killed, the worker does, with the
same ids, so that spans that the task had ended by then hang below it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from coatcheck.job import parse_time
from coatcheck.trace_context import TraceContext
from worker_image.run import Run


def describe(run: Run, trace: TraceContext | None, waited: float, worker: str) -> dict[str, Any]:
    """The span of a run. Takes the span that submitted the job, and the seconds that the job waited.

    The id of the run's execution is the span's: both are 16 random hexadecimal digits.
    """
    return {
        "name": f"run {run.queue}",
        "id": run.execution,
        "trace_id": trace.trace_id if trace else secrets.token_hex(16),
        "traceparent": trace.traceparent if trace else "",
        "tracestate": trace.tracestate if trace else "",
        "attributes": {
            "messaging.system": "rq",
            "messaging.operation.type": "process",
            "messaging.operation.name": "run",
            "messaging.destination.name": run.queue,
            "messaging.message.id": run.job_id,
            "coatcheck.task": run.task,
            "coatcheck.attempt": run.attempt,
            "coatcheck.queue.wait": waited,
            "coatcheck.worker": worker,
        },
    }


def waited(fields: Mapping[bytes, bytes]) -> float:
    """The seconds that a begun job was on its queue, from its hash; 0 where that can't be told."""
    try:
        began, queued = (parse_time(fields[name].decode()) for name in (b"started_at", b"enqueued_at"))
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, (began - queued).total_seconds())
