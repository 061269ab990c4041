"""A job's hash: RQ reads what we write, and nothing that others wrote is trusted."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck import codec
from coatcheck.adapter import QueueAdapter
from coatcheck.codec import (
    COMPRESS_FROM,
    ENTRY_POINT,
    MalformedJobError,
    decode_call,
    decode_job,
    decode_summary,
)
from coatcheck.errors import UnknownJobError
from coatcheck.job import Job, JobError, JobStatus, Progress, Submission, format_time, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import place
from tests.support.processes import ROOT, environment

ASK_RQ = """
import json, os, sys
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
connection = redis.Redis.from_url(os.environ["REDIS_URL"])
answers = []
for id in sys.argv[1:]:
    job = Job.fetch(id, connection, serializer=JSONSerializer)
    queue = Queue(job.origin, connection=connection, serializer=JSONSerializer)
    latest = job.latest_result()
    answers.append({
        "id": job.id,
        "func_name": job.func_name,
        "args": job.args,
        "kwargs": job.kwargs,
        "instance": job.instance,
        "timeout": job.timeout,
        "result_ttl": job.result_ttl,
        "failure_ttl": job.failure_ttl,
        "origin": job.origin,
        "description": job.description,
        "status": job.get_status().value,
        "created_at": job.created_at.isoformat(),
        "enqueued_at": job.enqueued_at and job.enqueued_at.isoformat(),
        "started_at": job.started_at and job.started_at.isoformat(),
        "ended_at": job.ended_at and job.ended_at.isoformat(),
        "worker_name": job.worker_name,
        "retries_left": job.retries_left,
        "retry_intervals": job.retry_intervals,
        "result": latest and latest.type.name,
        "return_value": job.return_value(),
        "exc_string": latest and latest.exc_string,
        "waiting": queue.job_ids,
        "started": queue.started_job_registry.get_job_ids(cleanup=False),
        "finished": queue.finished_job_registry.get_job_ids(cleanup=False),
        "failed": queue.failed_job_registry.get_job_ids(cleanup=False),
        "scheduled": queue.scheduled_job_registry.get_job_ids(cleanup=False),
        "canceled": queue.canceled_job_registry.get_job_ids(cleanup=False),
        "queues": sorted(queue.name for queue in Queue.all(connection, serializer=JSONSerializer)),
    })
print(json.dumps(answers))
"""


@pytest.fixture
def ask_rq(settings: Settings) -> Callable[..., list[dict[str, Any]]]:
    """What RQ itself reads of jobs. In another process: RQ takes its prefix from the environment, once."""

    def ask(*job_ids: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-c", ASK_RQ, *job_ids],
            env=environment(settings),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    return ask


@pytest.mark.parametrize("length", [0, COMPRESS_FROM])
def test_rq_reads_a_submitted_job_as_it_was_meant(
    length: int,
    adapter: QueueAdapter,
    ask_rq: Callable[..., list[dict[str, Any]]],
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> None:
    arguments = {"text": 'ünï "quoted" 🚀', "deep": [1, 2.5, None, True, {"a": []}], "": "", "big": 2**70}
    arguments |= {"long": "x" * length}
    submission = Submission("odd.echo", arguments, "other", 77, 88, retries=3, retry_delays=(0, 5))
    (job,) = adapter.submit([submission])
    assert job.enqueued_at is not None
    data = client.hget(keys.job(job.id), "data")
    assert data is not None and (data[:1] != b"[") == bool(length), "only long data is compressed"
    (seen,) = ask_rq(job.id)
    assert seen["func_name"] == ENTRY_POINT == "worker_image.runner.run"
    assert (seen["args"], seen["kwargs"], seen["instance"]) == (["odd.echo", arguments], {}, None)
    assert (seen["origin"], seen["description"], seen["status"]) == ("other", "odd.echo", "queued")
    assert (seen["timeout"], seen["result_ttl"], seen["failure_ttl"]) == (77, 88, settings.failure_ttl)
    assert (seen["retries_left"], seen["retry_intervals"]) == (3, [0, 5])
    assert seen["waiting"] == [job.id]
    assert seen["queues"] == ["other"]
    stored = adapter.get(job.id)
    assert seen["created_at"] == stored.created_at.isoformat()
    assert stored.enqueued_at == stored.created_at
    assert seen["enqueued_at"] is None, "that it is the same is not written until the job begins"


def test_rq_reads_jobs_in_every_other_state(
    adapter: QueueAdapter,
    submit: Callable[..., Job],
    worker: WorkerByHand,
    ask_rq: Callable[..., list[dict[str, Any]]],
) -> None:
    finished = submit("odd.echo")
    worker.run(result={"answer": [42, "é"]})
    empty = submit("odd.echo")
    worker.run(result=None)
    failed = submit("odd.echo")
    worker.run("failed", error=JobError("ValueError", "bad", "Traceback: ünï"))
    started = submit("odd.echo")
    worker.begin()
    scheduled = submit("odd.echo", at=utcnow() + timedelta(hours=1))
    canceled = adapter.cancel(submit("odd.echo").id)
    seen = ask_rq(*(job.id for job in (finished, empty, failed, started, scheduled, canceled)))
    statuses = ["finished", "finished", "failed", "started", "scheduled", "canceled"]
    assert [job["status"] for job in seen] == statuses
    assert (seen[0]["result"], seen[0]["return_value"]) == ("SUCCESSFUL", {"answer": [42, "é"]})
    assert (seen[1]["result"], seen[1]["return_value"]) == ("SUCCESSFUL", None)
    assert (seen[2]["result"], seen[2]["exc_string"]) == ("FAILED", "Traceback: ünï")
    assert seen[3]["worker_name"] == worker.name and seen[3]["started_at"] and not seen[3]["ended_at"]
    assert seen[0]["started_at"] and seen[0]["ended_at"]
    registries = {name: seen[0][name] for name in ("started", "finished", "failed", "scheduled", "canceled")}
    assert registries == {
        "started": [started.id],
        "finished": [finished.id, empty.id],
        "failed": [failed.id],
        "scheduled": [scheduled.id],
        "canceled": [canceled.id],
    }
    assert seen[0]["waiting"] == []


def test_what_is_written_is_read_back(adapter: QueueAdapter, submit: Callable[..., Job]) -> None:
    arguments = {"list": [1, "é", None], "nested": {"deep": {"x": 1.5}}}
    job = submit("odd.echo", arguments, queue="other")
    found = adapter.get(job.id)
    assert (found.task, found.arguments, found.queue) == ("odd.echo", arguments, "other")
    assert (found.status, found.attempt, found.result, found.error) == (JobStatus.QUEUED, 0, None, None)
    assert found.created_at == job.created_at


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused_and_nothing_is_queued(
    number: float, submit: Callable[..., Job], client: redis.Redis, settings: Settings
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        submit("odd.echo", {"value": [number]})
    assert client.keys(f"{settings.prefix}*") == []


# What others wrote


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def call(*parts: Any) -> bytes:
    return zlib.compress(json.dumps(parts).encode())


GOOD_CALL = call(ENTRY_POINT, None, ["odd.echo", {}], {})

BAD_DATA = {
    "nothing": b"",
    "an object that is not compressed": b'{"a": 1}',
    "another function, not compressed": json.dumps(["os.getpid", None, ["odd.echo", {}], {}]).encode(),
    "a pickle that is not compressed": pickle.dumps([ENTRY_POINT, None, ("odd.echo", {}), {}]),
    "pickle": zlib.compress(pickle.dumps((ENTRY_POINT, None, ("odd.echo", {}), {}))),
    "cut off": GOOD_CALL[:-6],
    "not JSON": zlib.compress(b"{'a': 1}"),
    "not UTF-8": zlib.compress(b'["\xff"]'),
    "a number": call(5)[:0] + zlib.compress(b"5"),
    "an object": zlib.compress(b'{"a":1,"b":2,"c":3,"d":4}'),
    "too few parts": call(ENTRY_POINT, None, ["odd.echo", {}]),
    "too many parts": call(ENTRY_POINT, None, ["odd.echo", {}], {}, 1),
    "another function": call("os.system", None, ["odd.echo", {}], {}),
    "a function in a list": call([ENTRY_POINT], None, ["odd.echo", {}], {}),
    "an instance": call(ENTRY_POINT, {"a": 1}, ["odd.echo", {}], {}),
    "keyword arguments": call(ENTRY_POINT, None, ["odd.echo", {}], {"a": 1}),
    "one argument": call(ENTRY_POINT, None, ["odd.echo"], {}),
    "three arguments": call(ENTRY_POINT, None, ["odd.echo", {}, 1], {}),
    "no arguments": call(ENTRY_POINT, None, None, {}),
    "a number as task": call(ENTRY_POINT, None, [5, {}], {}),
    "a list as arguments": call(ENTRY_POINT, None, ["odd.echo", []], {}),
    "nested deeply": zlib.compress(b"[" * 100_000 + b"]" * 100_000),
    "NaN": zlib.compress(f'["{ENTRY_POINT}",null,["odd.echo",{{"a":NaN}}],{{}}]'.encode()),
    "infinity": zlib.compress(f'["{ENTRY_POINT}",null,["odd.echo",{{"a":1e999}}],{{}}]'.encode()),
    "a number of many digits": zlib.compress(
        f'["{ENTRY_POINT}",null,["odd.echo",{{"a":{"9" * 5000}}}],{{}}]'.encode()
    ),
}

BAD_FIELDS: dict[str, dict[str, str | bytes]] = {
    "no status": {"status": ""},
    "another status": {"status": "running"},
    "a status in capitals": {"status": "QUEUED"},
    "a status that is no text": {"status": b"\xff"},
    "a creation that is no time": {"created_at": "yesterday"},
    "a creation before the year 1": {"created_at": "0001-01-01T00:00:00+14:00"},
    "a start in month 13": {"started_at": "2026-13-01T00:00:00Z"},
    "a due time that is no number": {"status": "scheduled", "scheduled_for": "soon"},
    "a due time that is not a number": {"status": "scheduled", "scheduled_for": "nan"},
    "a due time far away": {"status": "scheduled", "scheduled_for": "1e17"},
    "a due time farther away": {"status": "scheduled", "scheduled_for": "1e300"},
    "a due time without end": {"status": "scheduled", "scheduled_for": "inf"},
    "an attempt that is no number": {"attempt": "first"},
    "an attempt of many digits": {"attempt": "9" * 5000},
    "an interruption that is no number": {"interrupted": "1.5"},
    "a progress that is no JSON": {"progress": "half"},
    "a progress that is a number": {"progress": "0.5"},
    "a progress of one part": {"progress": "[0.5]"},
    "a progress of words": {"progress": '["half", ""]'},
    "a progress of NaN": {"progress": '[NaN, ""]'},
    "a progress without end": {"progress": '[1e999, ""]'},
    "a progress nested deeply": {"progress": "[" * 100_000},
    "an error that is no JSON": {"status": "failed", "error": "oh"},
    "an error that is a list": {"status": "failed", "error": "[1]"},
    "an error that is a text": {"status": "failed", "error": '"oh"'},
    "an error nested deeply": {"status": "failed", "error": '{"a":' * 100_000},
    "a queue that is no text": {"origin": b"\xff\xfe"},
    "a worker that is no text": {"worker_name": b"\x80"},
}

BAD_RECORDS: dict[str, tuple[str, dict[str, bytes]]] = {
    "a result that is no base 64": ("finished", {"return_value": b"abc"}),
    "a result that is no JSON": ("finished", {"return_value": base64.b64encode(b"{")}),
    "a result that is a pickle": ("finished", {"return_value": base64.b64encode(pickle.dumps({1}))}),
    "a result of NaN": ("finished", {"return_value": base64.b64encode(b"NaN")}),
    "a result nested deeply": ("finished", {"return_value": base64.b64encode(b"[" * 100_000)}),
    "a traceback that is no base 64": ("failed", {"exc_string": b"abc"}),
    "a traceback that is not compressed": ("failed", {"exc_string": base64.b64encode(b"Traceback")}),
    "a traceback that is no text": ("failed", {"exc_string": base64.b64encode(zlib.compress(b"\xff"))}),
}


def good_fields() -> dict[str, str | bytes]:
    now = format_time(utcnow())
    return {
        "status": "queued",
        "origin": "default",
        "description": "odd.echo",
        "data": GOOD_CALL,
        "created_at": now,
        "enqueued_at": now,
    }


def as_read(fields: dict[str, str | bytes]) -> dict[bytes, bytes]:
    """The hash as redis-py returns it."""
    return {
        name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in fields.items()
    }


@pytest.fixture
def plant(client: redis.Redis, keys: Keys) -> Callable[..., str]:
    """Writes the hash of a job, and a record of its results, past the adapter; returns the job's id."""

    def plant(changed: dict[Any, Any], record: dict[Any, Any] | None = None) -> str:
        job_id = new_job_id()
        planted: dict[Any, Any] = good_fields() | changed
        client.hset(keys.job(job_id), mapping=planted)
        client.sadd(keys.queues, keys.queue("default"))
        status = planted["status"] if planted.get("status") in list(JobStatus) else "queued"
        client.zadd(keys.index, {job_id: place("default", status)})
        if record:
            client.xadd(keys.results(job_id), record)
        return job_id

    return plant


def test_the_good_hash_below_is_good(plant: Callable[..., str], adapter: QueueAdapter) -> None:
    """Or else the tests of bad ones would prove nothing."""
    job_id = plant({})
    assert adapter.get(job_id).task == "odd.echo"
    assert [job.id for job in adapter.list().jobs] == [job_id]


@pytest.mark.parametrize("data", BAD_DATA.values(), ids=BAD_DATA)
def test_data_that_is_no_call_of_ours_is_malformed_and_the_job_unknown(
    data: bytes, plant: Callable[..., str], adapter: QueueAdapter
) -> None:
    with pytest.raises(MalformedJobError):
        decode_call(data)
    with pytest.raises(UnknownJobError, match="can't be read"):
        adapter.get(plant({"data": data}))


def test_a_hash_without_data_is_malformed(client: redis.Redis, keys: Keys, adapter: QueueAdapter) -> None:
    fields = good_fields()
    del fields["data"]
    with pytest.raises(MalformedJobError, match="no data"):
        decode_job("x", as_read(fields))
    job_id = new_job_id()
    client.hset(keys.job(job_id), "status", "queued")
    with pytest.raises(UnknownJobError):
        adapter.get(job_id)


@pytest.mark.parametrize("changed", BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_damaged_hash_is_malformed_the_job_unknown_and_not_listed(
    changed: dict[str, str | bytes], plant: Callable[..., str], adapter: QueueAdapter
) -> None:
    fields = as_read(good_fields() | changed)
    job_id = plant(changed)
    with pytest.raises(MalformedJobError):
        decode_job(job_id, fields)
    with pytest.raises(MalformedJobError):
        decode_summary(job_id, [fields.get(name.encode()) for name in codec.SUMMARY_FIELDS])
    with pytest.raises(UnknownJobError, match="can't be read"):
        adapter.get(job_id)
    whole = plant({})
    assert [job.id for job in adapter.list().jobs] == [whole]


@pytest.mark.parametrize(("status", "record"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_damaged_record_of_results_makes_the_job_unknown(
    status: str, record: dict[str, bytes], plant: Callable[..., str], adapter: QueueAdapter
) -> None:
    with pytest.raises(UnknownJobError, match="can't be read"):
        adapter.get(plant({"status": status}, record))


def test_a_bomb_is_not_inflated(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[..., str], adapter: QueueAdapter
) -> None:
    text = json.dumps([ENTRY_POINT, None, ["odd.echo", {"a": "x" * 1000}], {}]).encode()
    bomb = zlib.compress(text)
    assert decode_call(bomb)[0] == "odd.echo"
    monkeypatch.setattr(codec, "MAX_DATA", len(text) - 1)
    with pytest.raises(MalformedJobError):
        decode_call(bomb)
    with pytest.raises(UnknownJobError):
        adapter.get(plant({"data": bomb}))
    with pytest.raises(UnknownJobError):
        adapter.get(plant({"status": "failed"}, {"exc_string": base64.b64encode(bomb)}))


def test_unpickling_is_never_tried(plant: Callable[..., str], adapter: QueueAdapter, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    poison = pickle.dumps(Touch(trace))
    packed = zlib.compress(poison)
    job_id = plant(
        {"data": packed, "meta": poison, "progress": poison, "error": poison, "status": "failed"},
        {"return_value": base64.b64encode(poison), "exc_string": base64.b64encode(packed)},
    )
    with pytest.raises(UnknownJobError):
        adapter.get(job_id)
    assert adapter.list().jobs == []
    assert not trace.exists()
    pickle.loads(poison)
    assert trace.exists(), "the poison would have been noticed"


def test_keys_of_another_type_make_the_job_unknown(
    client: redis.Redis, keys: Keys, adapter: QueueAdapter, plant: Callable[..., str]
) -> None:
    job_id = new_job_id()
    client.set(keys.job(job_id), "text")
    with pytest.raises(UnknownJobError):
        adapter.get(job_id)
    other = plant({"status": "finished"})
    client.set(keys.results(other), "text")
    assert adapter.get(other).result is None


def test_without_a_creation_time_the_id_tells_it() -> None:
    fields = good_fields()
    del fields["created_at"]
    job = decode_job(new_job_id(1_700_000_000), as_read(fields))
    assert job.created_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_result_error_and_due_time_belong_to_their_status() -> None:
    record = {
        b"return_value": base64.b64encode(b"[1]"),
        b"exc_string": base64.b64encode(zlib.compress(b"Traceback")),
    }
    extra: dict[str, str | bytes] = {
        "error": '{"type":"KeyError","message":"k"}',
        "scheduled_for": "1700000000.5",
        "stop_requested": "1",
        "progress": '[0.25,"quarter"]',
        "attempt": "2",
        "interrupted": "1",
    }

    def decoded(status: JobStatus) -> Job:
        return decode_job("x", as_read(good_fields() | extra | {"status": status.value}), record)

    error = JobError("KeyError", "k", "Traceback")
    due = datetime.fromtimestamp(1_700_000_000.5, UTC)
    for status in JobStatus:
        job = decoded(status)
        assert job.result == ([1] if status is JobStatus.FINISHED else None)
        assert job.error == (error if status in (JobStatus.FAILED, JobStatus.STOPPED) else None)
        assert job.scheduled_for == (due if status in (JobStatus.SCHEDULED, JobStatus.DEFERRED) else None)
        assert job.stop_requested == (status is JobStatus.STARTED)
        assert (job.progress, job.attempt, job.interrupted) == (Progress(0.25, "quarter"), 2, 1)
