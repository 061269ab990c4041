"""The limit: a loop of the bare scripts that one job takes, without a task, a work-horse or a log.

It must run what a worker runs: ``tests/benchmarks/test_floor.py`` compares the two command by command.
"""

from __future__ import annotations

import secrets
from typing import Any

import redis

from coatcheck.codec import dumps, encode_error, encode_result, encode_traceback
from coatcheck.job import JobError
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings

NO_ERROR = JobError("", "")


class Floor:
    """Takes jobs and ends them as finished, as fast as the scripts let it. Takes a client and the settings."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._scripts = Scripts(client, settings.prefix)
        self._keys = Keys(settings.prefix)
        self._queue = settings.queues[0]
        self._lease = settings.worker_lease
        self._unknown = settings.worker_unknown_task_wait
        self._traceback, self._error = encode_traceback(": "), encode_error(NO_ERROR)
        self._result = encode_result(dumps(1))

    def one_job(self, worker: str = "floor") -> bool:
        """One job, from its queue to its end. Returns False when none waits."""
        keys, queue = self._keys, self._queue
        taken: Any = self._redis.blmove(keys.queue(queue), keys.intermediate(queue), 1, "LEFT", "RIGHT")
        if taken is None:
            return False
        job_id, execution = taken.decode(), secrets.token_hex(8)
        began = [keys.job(job_id), keys.intermediate(queue), keys.leases]
        self._scripts.run("begin", began, job_id, queue, worker, execution, self._lease)
        self._scripts.run(
            "finish",
            [keys.job(job_id), keys.leases, keys.results(job_id)],
            *(job_id, execution, queue, worker, "finished"),
            *(self._result, self._traceback, self._error, 0, self._unknown),
        )
        return True
