"""The limit: a loop of the bare scripts that one job takes, without a task, a work-horse or a log.

It must run what a worker runs: ``tests/benchmarks/test_floor.py`` compares the two command by command.
"""

from __future__ import annotations

import secrets
from typing import Any

import redis

from coatcheck.codec import dumps, encode_result
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts, source
from coatcheck.settings import Settings

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
        self._result = encode_result(dumps(1))
        self._current: tuple[str, str] | None = None

    def one_job(self, worker: str = "floor") -> bool:
        """The end of one job and the begin of the next, in one step. Returns False when none waits."""
        if self._current is None and not self._take(worker):
            return False
        assert self._current is not None
        (job_id, execution), following = self._current, secrets.token_hex(8)
        names, arguments = self._finish(job_id, execution, worker, following)
        answer = self._scripts.run("finish", names, *arguments)
        self._current = (answer[1][0].decode(), following) if len(answer) > 1 else None
        return True

    def _take(self, worker: str) -> bool:
        """Wait for a first job, and begin it."""
        keys, queue = self._keys, self._queue
        taken: Any = self._redis.blmove(keys.queue(queue), keys.intermediate(queue), 1, "LEFT", "RIGHT")
        if taken is None:
            return False
        self._current = taken.decode(), secrets.token_hex(8)
        names, arguments = self._begin(*self._current, worker)
        self._scripts.run("begin", names, *arguments)
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
                ids_of_run = job_id.decode(), secrets.token_hex(8)
                for name, (names, arguments) in (
                    ("begin", self._begin(*ids_of_run, worker)),
                    ("finish", self._finish(*ids_of_run, worker, "")),
                ):
                    pipeline.evalsha(shas[name], len(names), *names, prefix, *arguments)
            pipeline.execute()

    def _begin(self, job_id: str, execution: str, worker: str) -> tuple[list[str], list[Any]]:
        """Keys and arguments of a job's begin."""
        keys, queue = self._keys, self._queue
        names = [keys.job(job_id), keys.intermediate(queue), keys.leases]
        return names, [job_id, queue, worker, execution, self._lease]

    def _finish(
        self, job_id: str, execution: str, worker: str, following: str
    ) -> tuple[list[str], list[Any]]:
        """Keys and arguments of a job's end. ``following`` is the next job's execution, or ''."""
        keys, queue = self._keys, self._queue
        names = [keys.job(job_id), keys.leases, keys.results(job_id), keys.queue(queue)]
        outcome = ["finished", self._result, "", "", 0, self._unknown]
        return names, [job_id, execution, queue, worker, *outcome, "", following, "", self._lease]
