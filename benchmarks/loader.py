"""Puts many waiting jobs into Redis fast: as the adapter does it, without Python's time for each.

The bytes that the adapter sends for one batch are recorded, and sent again and again with other ids in them:
whatever the adapter and its script write is written for each job.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import redis

from benchmarks.recording import record
from benchmarks.systems import BATCH, submissions
from coatcheck.adapter import QueueAdapter
from coatcheck.job import Submission, new_job_id
from coatcheck.settings import Settings

KEPT = 1000
"""How many ids are returned at most, so that somebody can ask for these jobs."""


def load(client: redis.Redis, settings: Settings, count: int, owner: str | None = None) -> list[str]:
    """Submit so many no-op jobs, of that owner. Returns some of their ids, spread evenly."""
    adapter = QueueAdapter(client, settings)
    ids: list[str] = []
    step = max(1, count // KEPT)
    template: list[bytes] = []
    connection: Any = None
    while count > 0:
        if count < BATCH or not ids:  # the first batch also gives the server the script
            batch = [job.id for job in adapter.submit(_jobs(settings, min(BATCH, count), owner))]
        elif not template:
            connection, template, batch = _record(client, adapter, settings, owner)
        else:
            batch = [new_job_id() for _ in range(BATCH)]
            _send(connection, template, batch)
        ids += batch[::step]
        count -= len(batch)
    return ids


def _jobs(settings: Settings, count: int, owner: str | None) -> list[Submission]:
    return [replace(job, owner=owner) for job in submissions(settings, count)]


def _record(
    client: redis.Redis, adapter: QueueAdapter, settings: Settings, owner: str | None
) -> tuple[Any, list[bytes], list[str]]:
    """Submit a batch. Returns the connection, what was sent, cut at every id, and the ids.

    Ids stand in it as the decimal index into the batch, every second piece.
    """
    jobs = _jobs(settings, BATCH, owner)
    connection, sent = record(client, lambda: adapter.submit(jobs))
    assert len(sent) == 1, "the adapter submits a batch in one command"
    index = {job.id.encode(): b"%d" % number for number, job in enumerate(jobs)}
    pieces = re.split(b"(%s)" % b"|".join(index), sent[0])
    return connection, [index.get(piece, piece) for piece in pieces], [job.id for job in jobs]


def _send(connection: Any, template: list[bytes], ids: list[str]) -> None:
    pieces = list(template)
    encoded = [job_id.encode() for job_id in ids]
    pieces[1::2] = [encoded[int(number)] for number in template[1::2]]
    connection.send_packed_command([b"".join(pieces)])
    answer = connection.read_response()
    assert isinstance(answer, bytes) or answer[0] == b"new", answer  # of nobody's jobs the time alone
