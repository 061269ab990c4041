"""A worker by hand: takes, begins and ends jobs with the real scripts, step by step."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import redis
from redis.connection import AbstractConnection

from coatcheck.codec import encode_error, encode_result, encode_traceback
from coatcheck.connection import as_text
from coatcheck.job import JobError, new_job_id
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from tests.coatcheck.ward import ward

__all__ = ["ward"]


@dataclass
class WorkerByHand:
    """Does what a worker does with a job, but nothing until it is told to."""

    redis: redis.Redis
    keys: Keys
    scripts: Scripts
    name: str = "by-hand"
    lease: int = 60
    max_log: int = 1000
    pieces: int = 0
    next: str = ""
    """The job that was begun in the step that ended the last one."""
    begun: dict[str, str] = field(default_factory=dict)
    """All of them, by execution."""

    def take(self, queue: str = "default") -> str:
        """Takes the next job, without beginning it."""
        taken = self.redis.lmove(self.keys.queue(queue), self.keys.intermediate(queue), "LEFT", "RIGHT")
        assert taken is not None, f"nothing waits on {queue}"
        return as_text(taken)

    def begin(self, queue: str = "default") -> tuple[str, str]:
        """Takes and begins the next job; returns its id and the execution's."""
        job_id, execution = self.take(queue), uuid4().hex
        assert self.begin_taken(job_id, execution, queue)
        return job_id, execution

    def begin_taken(self, job_id: str, execution: str, queue: str = "default") -> bool:
        """Begins a job that was taken; returns whether it may run."""
        job_keys = [self.keys.job(job_id), self.keys.intermediate(queue), self.keys.leases]
        args = job_id, queue, self.name, execution, self.lease
        return bool(self.scripts.run("begin", job_keys, *args))

    def report(
        self, job_id: str, execution: str, text: str = "", progress: Any = None, cut: bool = False
    ) -> str:
        """Hands on output and progress; returns what the script answers."""
        job_keys = [self.keys.job(job_id), self.keys.leases]
        self.pieces += bool(text or cut)
        shown = "" if progress is None else json.dumps(progress)
        piece = (text, "1" if cut else "", self.pieces, self.max_log)
        answer = self.scripts.run("renew", job_keys, job_id, execution, self.lease, shown, *piece)
        return as_text(answer)

    def end(
        self,
        job_id: str,
        execution: str,
        outcome: str = "finished",
        *,
        result: Any = None,
        error: JobError | None = None,
        delay: int = 0,
        queue: str = "default",
        following: str = "",
        ahead: str = "",
        piece: str = "",
    ) -> str:
        """Ends a run; returns the job's new status.

        ``following``: begin the next job as that execution; ``ahead``: and others to be run after another,
        their executions with commas between them; ``piece``: what the task printed last.
        """
        error = error or JobError("ValueError", "bad value", "Traceback: ...")
        job_keys = [self.keys.job(job_id), self.keys.leases, self.keys.results(job_id)]
        job_keys.append(self.keys.queue(queue))
        text = json.dumps([0, error.message]) if outcome == "unknown" else encode_result(json.dumps(result))
        packed = text, encode_traceback(error.traceback or "")
        told = encode_error(error)
        ids, further = (job_id, execution, queue, self.name), ("", following, ahead, self.lease, self.max_log)
        pieces = (self.pieces + 1, piece, "") if piece else ()
        status, *begun = self.scripts.run(
            "finish", job_keys, *ids, outcome, *packed, told, delay, 600, *further, *pieces
        )
        self.begun = {as_text(told[1]): as_text(told[0]) for told in begun}
        self.next = self.begun.get(following, "")
        return as_text(status)

    def run(self, outcome: str = "finished", *, queue: str = "default", **how: Any) -> str:
        """Takes the next job through to its end; returns its id."""
        job_id, execution = self.begin(queue)
        self.end(job_id, execution, outcome, queue=queue, **how)
        return job_id


def plant_batch(client: redis.Redis, keys: Keys, planted: Any) -> str:
    """Puts a text or a hash where a batch is kept; returns the batch's id."""
    batch = new_job_id()
    if isinstance(planted, str):
        client.set(keys.batch(batch), planted)
    else:
        client.hset(keys.batch(batch), mapping=planted)
    return batch


@pytest.fixture
def worker(client: redis.Redis, keys: Keys, settings: Settings) -> WorkerByHand:
    """A worker by hand in the test's namespace."""
    return WorkerByHand(client, keys, Scripts(client, settings.prefix))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that any client sends, an entry for each round trip."""
    entries: list[bytes] = []
    original = AbstractConnection.send_packed_command

    def send_packed_command(self: AbstractConnection, command: Any, check_health: bool = True) -> None:
        entries.append(command if isinstance(command, bytes) else b"".join(command))
        original(self, command, check_health)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(AbstractConnection, "send_packed_command", send_packed_command)
    return entries
