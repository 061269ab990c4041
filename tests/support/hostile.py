"""Hostile shapes of what Coatcheck keeps in Redis, as somebody who can write there would plant them.

Each puts something into a namespace, all below ids of its own, and returns the id of the job it is about.
"""

from __future__ import annotations

import base64
import json
import pickle
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis

from coatcheck.codec import encode_submission
from coatcheck.job import Submission, format_time, new_job_id, utcnow
from coatcheck.keys import Keys

QUEUE = "default"
DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED = b'{"a":' * 900 + b"1" + b"}" * 900
"""Deep, but not so deep that reading it fails by itself."""
DIGITS = b"9" * 5000
BOMB = zlib.compress(b"0" * 80_000_000, 9)
Fields = dict[Any, Any]


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.path, "w"))


@dataclass
class Planter:
    """Plants into a namespace; ``trace`` is the path of a file that is made if anything of it is run."""

    client: redis.Redis
    keys: Keys
    trace: str
    ids: list[str] = field(default_factory=list)

    def fields(self, arguments: Any = None, task: str = "odd.add", **options: Any) -> Fields:
        """The hash of a valid job."""
        values: Fields = {"queue": QUEUE, "timeout": 30, "result_ttl": 600, **options}
        submission = Submission(task, {"left": 1} if arguments is None else arguments, **values)
        fields, data = encode_submission(submission, 600)
        now = format_time(utcnow())
        return {**fields, "data": data, "status": "queued", "created_at": now, "enqueued_at": now}

    def id(self) -> str:
        self.ids.append(new_job_id())
        return self.ids[-1]

    def hash(self, fields: Fields, job_id: str | None = None) -> str:
        job_id = job_id or self.id()
        self.client.hset(self.keys.job(job_id), mapping=fields)
        self.client.zadd(self.keys.index, {job_id: 0})
        return job_id

    def waiting(self, job_id: str | None = None, without: str = "", **changes: Any) -> str:
        """A job that waits on its queue, valid but for the changes."""
        fields = {**self.fields(), **changes}
        fields.pop(without, None)
        job_id = self.hash(fields, job_id)
        self.client.rpush(self.keys.queue(QUEUE), job_id)
        return job_id

    def ended(self, status: str = "finished", record: Fields | None = None, **changes: Any) -> str:
        """A job that is over, with a record of its result."""
        times = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:00:00Z"}
        job_id = self.hash({**self.fields(), "status": status, **times, **changes})
        self.client.zadd(self.keys.registry(status, QUEUE), {job_id: time.time() + 600})
        if record is not None:
            self.client.xadd(self.keys.results(job_id), record)
        return job_id

    def call(self, *call: Any, **more: Any) -> str:
        return self.waiting(data=json.dumps([*call], default=str).encode(), **more)

    def listed(self, kind: str, member: Any, score: float = 0) -> str:
        """A member of one of the queue's registries."""
        self.client.zadd(self.keys.registry(kind, QUEUE), {member: score})
        return self.ids[-1] if self.ids else self.id()

    def queued(self, member: bytes | str) -> str:
        self.client.rpush(self.keys.queue(QUEUE), member)
        return self.id()

    def instead(self, key: str, command: str, *args: Any) -> str:
        """Something of another type at a key."""
        self.client.delete(key)
        getattr(self.client, command)(key, *args)
        return key.rpartition(":")[2]


Plant = Callable[[Planter], Any]
"""Returns the id of the job that it is about."""
RUN = "worker_image.runner.run"


def _b64(value: bytes) -> bytes:
    return base64.b64encode(value)


def _wrong_result(command: str, *args: Any) -> Plant:
    def plant(planter: Planter) -> str:
        job_id = planter.ended()
        planter.instead(planter.keys.results(job_id), command, *args)
        return job_id

    return plant


JOBS: dict[str, Plant] = {
    "pickle instead of JSON": lambda p: p.waiting(
        data=zlib.compress(pickle.dumps(("os.getpid", None, (Touch(p.trace),), {})))
    ),
    "pickle in meta": lambda p: p.waiting(meta=pickle.dumps(Touch(p.trace))),
    "another function": lambda p: p.call("builtins.open", None, [p.trace, "w"], {}),
    "a method of an instance": lambda p: p.call(RUN, "pathlib.Path", [p.trace, {}], {}),
    "keyword arguments": lambda p: p.call(RUN, None, ["odd.add", {"left": 1}], {"task": "os.system"}),
    "a task that is no task": lambda p: p.call(RUN, None, ["os.system", {"command": f"touch {p.trace}"}], {}),
    "a private function": lambda p: p.call(RUN, None, ["odd._record", {"journal": p.trace}], {}),
    "a dunder name": lambda p: p.call(RUN, None, ["odd.__builtins__", {}], {}),
    "a task's name that is no text": lambda p: p.call(RUN, None, [["odd.add"], {"left": 1}], {}),
    "arguments that are no object": lambda p: p.call(RUN, None, ["odd.add", [1, 2]], {}),
    "arguments of other types": lambda p: p.call(RUN, None, ["odd.add", {"left": {"a": [p.trace]}}], {}),
    "too many parts": lambda p: p.call(RUN, None, ["odd.add", {"left": 1}, 3], {}, 5),
    "callbacks of RQ's": lambda p: p.waiting(
        success_callback_name="tests.support.plants.callback", description=p.trace
    ),
    "dependencies of RQ's": lambda p: p.waiting(dependency_ids=p.trace, enqueue_at_front="1"),
    "no data": lambda p: p.waiting(without="data"),
    "empty data": lambda p: p.waiting(data=b""),
    "data that is no text": lambda p: p.waiting(data=b"[\xff\xfe"),
    "data that is cut off": lambda p: p.waiting(data=zlib.compress(b"[" + b"1," * 5000)[:20]),
    "a decompression bomb": lambda p: p.waiting(data=BOMB),
    "a depth bomb": lambda p: p.waiting(data=DEEP),
    "deep arguments": lambda p: p.waiting(
        data=b'["%s",null,["odd.echo",{"value":%s}],{}]' % (RUN.encode(), NESTED)
    ),
    "a huge number": lambda p: p.waiting(
        data=b'["%s",null,["odd.add",{"left":%s}],{}]' % (RUN.encode(), DIGITS)
    ),
    "NaN": lambda p: p.waiting(data=b'["%s",null,["odd.add",{"left":NaN}],{}]' % RUN.encode()),
    "infinity by its size": lambda p: p.waiting(
        data=b'["%s",null,["odd.echo",{"value":1e999}],{}]' % RUN.encode()
    ),
    "half a surrogate pair": lambda p: p.waiting(
        data=b'["%s",null,["odd.echo",{"value":"\\ud800"}],{}]' % RUN.encode()
    ),
    "a name twice": lambda p: p.waiting(
        data=b'["%s",null,["odd.add",{"left":1,"left":"x"}],{}]' % RUN.encode()
    ),
    "no time-out": lambda p: p.waiting(without="timeout"),
    "a time-out that is no number": lambda p: p.waiting(timeout="soon"),
    "a time-out below zero": lambda p: p.waiting(timeout="-5"),
    "an endless time-out": lambda p: p.waiting(timeout=DIGITS[:4000]),
    "an attempt that is no number": lambda p: p.waiting(attempt="x"),
    "an attempt beyond 64 bits": lambda p: p.waiting(attempt="9223372036854775807"),
    "retries that are no number": lambda p: p.waiting(retries="x", retries_left="x"),
    "retries below zero": lambda p: p.waiting(retries="-1", retries_left="-1"),
    "delays that are no list": lambda p: p.waiting(retry_intervals='{"a":1}', retries="1", retries_left="1"),
    "delays without end": lambda p: p.waiting(retry_intervals="[1e999]", retries="1", retries_left="1"),
    "deep delays": lambda p: p.waiting(retry_intervals=DEEP, retries="1", retries_left="1"),
    "times that are none": lambda p: p.waiting(created_at="yesterday", enqueued_at="\x00"),
    "a time before all time": lambda p: p.waiting(created_at="0001-01-01T00:00:00+23:59"),
    "a status of nobody": lambda p: p.waiting(status="running"),
    "a status that is no text": lambda p: p.waiting(status=b"\xff"),
    "a queue that is no text": lambda p: p.waiting(origin=b"\xff\xff"),
    "no queue": lambda p: p.waiting(without="origin"),
    "a queue with a key's name": lambda p: p.waiting(origin="default:intermediate"),
    "times to live that are no numbers": lambda p: p.waiting(result_ttl="x", failure_ttl="y"),
    "times to live below zero": lambda p: p.waiting(result_ttl="-9", failure_ttl="-9"),
    "endless times to live": lambda p: p.waiting(result_ttl="1e300", failure_ttl="1e300"),
    "a trace that is none": lambda p: p.waiting(traceparent=b"\xff" * 55, tracestate=b"\x00" * 9000),
    "an owner that is no text": lambda p: p.waiting(owner=b"\xff\x00"),
    "a delivery without a hash": lambda p: p.waiting(delivery="x", callback="file:///etc/passwd"),
    "a delivery that is another job": lambda p: p.waiting(
        delivery=p.waiting(), **{"delivery.origin": QUEUE, "delivery.data": "x"}
    ),
    "a delivery of thousands of fields": lambda p: p.waiting(
        delivery=p.id(), **{f"delivery.{number}": "x" for number in range(9000)}
    ),
    "lost workers without number": lambda p: p.waiting(lost="x", interrupted="x", lost_workers=b"\xff"),
    "a stop that nobody asked for": lambda p: p.waiting(stop_requested="1", unknown_since="x"),
    "thousands of fields": lambda p: p.waiting(**{f"field{number}": "x" for number in range(9000)}),
    "results that are a text": lambda p: p.waiting(p.instead(p.keys.results(p.id()), "set", "x")),
    "a log that is a text": lambda p: p.waiting(
        p.instead(p.keys.log(p.id()), "set", "x"), **p.fields(task="odd.talk", arguments={"lines": 2})
    ),
    "executions that are a text": lambda p: p.waiting(
        p.instead(f"{p.keys.prefix}:executions:{p.id()}", "set", "x")
    ),
    "a list instead of a job": lambda p: p.queued(p.instead(p.keys.job(p.id()), "rpush", "x")),
    "a text instead of a job": lambda p: p.queued(p.instead(p.keys.job(p.id()), "set", "x")),
}
"""Jobs on their queue: the worker comes by."""

RESULTS: dict[str, Plant] = {
    "progress that is no JSON": lambda p: p.ended(progress=b"\xff"),
    "progress that is no pair": lambda p: p.ended(progress=b"[1]"),
    "progress of other types": lambda p: p.ended(progress=b'[{"a":1},[2]]'),
    "progress that is no number": lambda p: p.ended(progress=b'[NaN,"x"]'),
    "progress that is deep": lambda p: p.ended(progress=DEEP),
    "an error that is no object": lambda p: p.ended("failed", error=b"[1]"),
    "an error of other types": lambda p: p.ended("failed", error=b'{"type":[1],"message":{"a":null}}'),
    "a deep error": lambda p: p.ended("failed", error=DEEP),
    "a result that is no base64": lambda p: p.ended(record={"type": "1", "return_value": b"\xff!"}),
    "a result that is no JSON": lambda p: p.ended(record={"type": "1", "return_value": _b64(b"{")}),
    "a result that is deep": lambda p: p.ended(record={"type": "1", "return_value": _b64(DEEP)}),
    "a result that is nested": lambda p: p.ended(record={"type": "1", "return_value": _b64(NESTED)}),
    "a result that is no number": lambda p: p.ended(record={"type": "1", "return_value": _b64(b"-Infinity")}),
    "a result of too many digits": lambda p: p.ended(record={"type": "1", "return_value": _b64(DIGITS)}),
    "a result of half a pair": lambda p: p.ended(
        record={"type": "1", "return_value": _b64(b'{"\\udfff":"\\ud800"}')}
    ),
    "a traceback that is a bomb": lambda p: p.ended("failed", {"type": "2", "exc_string": _b64(BOMB)}),
    "a traceback that is no text": lambda p: p.ended(
        "failed", {"type": "2", "exc_string": _b64(zlib.compress(b"\xff"))}
    ),
    "results that are no stream": _wrong_result("set", "x"),
    "results that are a list": _wrong_result("rpush", "x"),
    "a log that is no stream": lambda p: p.instead(p.keys.log(p.ended()), "set", "x"),
    "a log that is no text": lambda p: p.client.xadd(p.keys.log(p.ended()), {b"\xff": b"\xff"}) and p.ids[-1],
    "deliveries that are no JSON": lambda p: p.ended(callback=b"\xff", deliveries=b"\xff\n[]\n" + DEEP),
    "a worker's name that is no text": lambda p: p.ended(worker_name=b"\xff"),
    "counts that are no numbers": lambda p: p.ended(attempt="many", interrupted=DIGITS),
}
"""Jobs that are over: the API shows them."""

LISTS: dict[str, Plant] = {
    "an id that is none": lambda p: p.queued("../../etc/passwd"),
    "an id that is no text": lambda p: p.queued(b"\xff\xfe"),
    "an empty id": lambda p: p.queued(""),
    "an id with a key's name": lambda p: p.queued(f"x:{new_job_id()}"),
    "an id that is very long": lambda p: p.queued("a" * 100_000),
    "the same job many times": lambda p: p.waiting(p.waiting(p.waiting())),
    "a finished job": lambda p: p.queued(p.ended()),
    "a run that is none": lambda p: p.listed("wip", b"\xff:\xff"),
    "a run without an end": lambda p: p.listed("wip", f"{p.ended()}:x", float("inf")),
    "a schedule's entry that is none": lambda p: p.listed("scheduled", b"\xff", 1),
    "a schedule's entry of no job": lambda p: p.listed("scheduled", p.id(), 1),
    "a schedule's entry of another type": lambda p: p.listed(
        "scheduled", p.instead(p.keys.job(p.id()), "set", "x"), 1
    ),
    "an expired entry of a job that lives": lambda p: p.listed("finished", p.waiting(), 1),
    "an index entry that is none": lambda p: p.client.zadd(p.keys.index, {b"\xff": 0, b"~": 5}) and p.id(),
    "a lease that is none": lambda p: (
        p.client.zadd(p.keys.leases, {b"\xff": 1, b":": 1, b"x:y": 1}) and p.id()
    ),
    "a lease of a waiting job": lambda p: p.client.zadd(p.keys.leases, {f"{p.waiting()}:x": 1}) and p.ids[-1],
    "a queue's name that is no text": lambda p: (
        p.client.sadd(p.keys.queues, b"\xff", f"{p.keys.queue('')}\xff", "x") and p.id()
    ),
    "a worker that is none": lambda p: p.client.sadd(p.keys.workers_of(QUEUE), b"\xff", "x") and p.id(),
    "a worker of other types": lambda p: (
        p.client.hset(p.keys.worker("evil"), mapping={"last_heartbeat": b"\xff", "pid": DIGITS, "birth": "x"})
        and p.client.sadd(p.keys.workers_of(QUEUE), p.keys.worker("evil"))
        and p.id()
    ),
    "a worker that is a text": lambda p: (
        p.client.set(p.keys.worker("text"), "x")
        and p.client.sadd(p.keys.workers_of(QUEUE), p.keys.worker("text"))
        and p.id()
    ),
}
"""Entries of lists, registries, leases and workers."""

SHAPES = {**JOBS, **RESULTS, **LISTS}
assert len(SHAPES) == len(JOBS) + len(RESULTS) + len(LISTS)
