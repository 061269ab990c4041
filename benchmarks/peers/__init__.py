"""The other task queues, each as its own documents use it, with results on.

These modules run in ``.venv/bench`` and import nothing of ours. ``python -m benchmarks.peers.NAME COUNT``
submits so many jobs to the database of ``BENCH_REDIS_URL`` and prints, as JSON, how to see in Redis that
all of them have ended: ``{"count": [command, ...], "expected": number}``.
"""

import json
import os

URL = os.environ["BENCH_REDIS_URL"]


def tell(*count: str, expected: int) -> None:
    """Print the command that counts the jobs that have ended, and its answer when all have."""
    print(json.dumps({"count": count, "expected": expected}))
