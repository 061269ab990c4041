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
from coatcheck.scripts import Scripts, source
from coatcheck.settings import Settings

NO_ERROR = JobError("", "")
BATCH = 500
"""Jobs that ``many_jobs`` ends in one round trip."""


class Floor:
    """Takes jobs and ends them, as fast as the scripts let it. Takes a client and the settings."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._prefix = settings.prefix
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
        for name, names, arguments in self._steps(taken.decode(), worker):
            self._scripts.run(name, names, *arguments)
        return True

    def many_jobs(self, count: int, worker: str = "floor") -> None:
        """End as many jobs by the same scripts, many in one round trip: where ended jobs are needed."""
        keys, queue, prefix = self._keys, self._queue, self._prefix
        shas = {name: self._redis.script_load(source(name)) for name in ("begin", "finish")}
        for start in range(0, count, BATCH):
            pipeline = self._redis.pipeline(transaction=False)
            ids: Any = self._redis.lrange(keys.queue(queue), 0, min(BATCH, count - start) - 1)
            for job_id in ids:
                pipeline.lmove(keys.queue(queue), keys.intermediate(queue), "LEFT", "RIGHT")
                for name, names, arguments in self._steps(job_id.decode(), worker):
                    pipeline.evalsha(shas[name], len(names), *names, prefix, *arguments)
            pipeline.execute()

    def _steps(self, job_id: str, worker: str) -> list[tuple[str, list[str], list[Any]]]:
        """The scripts of a job that was taken: name, keys, arguments."""
        keys, queue, execution = self._keys, self._queue, secrets.token_hex(8)
        began = [keys.job(job_id), keys.intermediate(queue), keys.leases]
        ended = [keys.job(job_id), keys.leases, keys.results(job_id)]
        outcome = ["finished", self._result, self._traceback, self._error, 0, self._unknown]
        return [
            ("begin", began, [job_id, queue, worker, execution, self._lease]),
            ("finish", ended, [job_id, execution, queue, worker, *outcome]),
        ]
