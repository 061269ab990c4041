"""Job hashes of random parts: a worker reads each as a job or refuses it, the API shows it or denies it.

``FUZZ_SECONDS`` sets how long it goes on; ``make fuzz`` takes five minutes.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as profile
from hypothesis import strategies as st

from coatcheck.adapter import QueueAdapter
from coatcheck.codec import ENTRY_POINT, MalformedJobError, encode_submission
from coatcheck.connection import as_text
from coatcheck.errors import ConflictError, UnknownJobError
from coatcheck.job import JobStatus, Submission, new_job_id
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from worker_image.ending import Ending
from worker_image.run import Outcome, Run

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20"))
PROFILE = profile(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
"""A hundred hashes in one go; then it looks at the clock."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ENTRY_POINT, "odd.add", "os.system", "builtins.eval"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
CALL = st.builds(
    lambda *parts: list(parts),
    st.just(ENTRY_POINT) | JSON,
    st.none() | JSON,
    st.tuples(st.just("odd.add") | JSON, st.dictionaries(st.text(max_size=5), JSON, max_size=3) | JSON)
    | JSON,
    st.just({}) | JSON,
)
TEXT = (CALL | JSON).map(lambda value: json.dumps(value).encode())
DATA = TEXT | TEXT.map(zlib.compress) | st.binary(max_size=60) | st.integers(1, 2000).map(lambda n: b"[" * n)
NUMBER = st.integers(-(2**66), 2**66).map(lambda number: str(number).encode())
ODD = NUMBER | st.binary(max_size=12) | TEXT | st.floats().map(lambda number: str(number).encode())
STATUS = st.sampled_from([status.encode() for status in JobStatus])
NAMES = """
timeout attempt retries retries_left retry_intervals result_ttl failure_ttl created_at enqueued_at started_at
ended_at scheduled_for taken_at progress error owner description worker_name lost interrupted lost_workers
at_most_once stop_requested unknown_since last_end delivery callback delivery.origin delivery.data
traceparent tracestate signature
"""
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES.split(), ODD),
        "data": DATA,
    },
)
RECORD = st.dictionaries(
    st.sampled_from(["type", "return_value", "exc_string", "worker_name"]), ODD | DATA, min_size=1
)
OUTCOMES = st.sampled_from(["finished", "failed", "stopped", "interrupted", "unknown", "refused", "suspect"])


class Fuzz:
    """A namespace, and what is done with each hash in it."""

    def __init__(self, client: redis.Redis, base: Settings) -> None:
        self.settings = replace(base, namespace=f"t{uuid4().hex[:12]}")
        self.client, self.keys = client, Keys(self.settings.prefix)
        self.adapter = QueueAdapter(client, self.settings)

    def plant(self, fields: dict[Any, Any], result: dict[Any, Any] | None) -> str:
        job_id = new_job_id()
        valid: Any
        valid, data = encode_submission(Submission("odd.add", {"left": 1}, "default", 30, 600), 600)
        self.client.hset(self.keys.job(job_id), mapping={**valid, "data": data, "status": "queued", **fields})
        self.client.zadd(self.keys.index, {job_id: 0})
        self.client.rpush(self.keys.queue("default"), job_id)
        if result:
            self.client.xadd(self.keys.results(job_id), result)
        return job_id

    def show(self, job_id: str) -> None:
        """What the API does with it."""
        for method in (self.adapter.get, self.adapter.log):
            try:
                method(job_id)
            except UnknownJobError:
                continue
        self.adapter.list(limit=200)

    def work(self, job_id: str, outcome: str) -> None:
        """What a worker does with it: begins it, reads it, and ends it as it should, or as refused."""
        taken = self.client.lmove(self.keys.queue("default"), self.keys.intermediate("default"))
        assert as_text(taken) == job_id
        execution = uuid4().hex[:16]
        place = [self.keys.job(job_id), self.keys.intermediate("default"), self.keys.leases]
        scripts = self.adapter._scripts
        answer = scripts.run("begin", place, job_id, "default", "fuzzed", execution, 60)
        if not answer:
            return  # no job that is queued
        fields = dict(zip(answer[::2], answer[1::2], strict=True))
        run = Run(job_id, execution, "default", fields)
        try:
            run.read()
            assert run.timeout >= 1
            end = Outcome.failed("X", "message")
            end.kind, end.result = outcome, "5"
        except MalformedJobError as error:
            end = Outcome.refused(error)
        run.printed("text", 100)
        Ending.of(run, end, "fuzzed").deliver(scripts, self.keys, self.settings)
        assert not self.client.zscore(self.keys.leases, f"{job_id}:{execution}")


@pytest.mark.timeout(SECONDS + 100)
def test_no_hash_of_a_job_confuses_worker_or_api(client: redis.Redis, settings: Settings) -> None:
    fuzz = Fuzz(client, settings)
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        rounds += 1

        @seed(rounds if "FUZZ_SECONDS" not in os.environ else time.time_ns())
        @PROFILE
        @given(fields=FIELDS, result=st.none() | RECORD, outcome=OUTCOMES)
        def one(fields: dict[str, bytes], result: dict[str, bytes] | None, outcome: str) -> None:
            if time.monotonic() > end + 5:
                return
            client.delete("none", *client.scan_iter(f"{fuzz.keys.prefix}*", count=1000))
            job_id = fuzz.plant(fields, result)
            fuzz.show(job_id)
            fuzz.work(job_id, outcome)
            fuzz.show(job_id)
            try:
                fuzz.adapter.cancel(job_id)
                fuzz.adapter.retry(job_id)
            except (UnknownJobError, ConflictError):
                pass

        one()
    assert rounds
