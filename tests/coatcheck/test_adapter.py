"""Submit, read, cancel and retry, against a real server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from redis.connection import AbstractConnection

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text, connect
from coatcheck.errors import ConflictError, IdempotencyMismatchError, UnknownJobError
from coatcheck.job import Job, JobStatus, Progress, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import source
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand

Submit = Callable[..., Job]
ENDS = ["finished", "failed", "stopped"]


def submission(number: int = 1, **options: Any) -> Submission:
    options = {"queue": "default", "timeout": 60, "result_ttl": 600, **options}
    return Submission("odd.add", {"left": number}, **options)


def waiting(client: redis.Redis, keys: Keys, queue: str = "default") -> list[str]:
    return [as_text(member) for member in client.lrange(keys.queue(queue), 0, -1)]


def command_of(entry: bytes) -> bytes:
    return entry.split(b"\r\n")[2]


# Submit


def test_a_submitted_job_is_queued_and_told_as_it_is_read(adapter: QueueAdapter) -> None:
    (job,) = adapter.submit([submission(7)])
    found = adapter.get(job.id)
    assert (job.status, job.task, job.arguments) == (JobStatus.QUEUED, "odd.add", {"left": 7})
    assert job == found
    assert found.enqueued_at == found.created_at


def test_a_job_for_later_is_scheduled_not_queued(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    at = utcnow() + timedelta(hours=1)
    (job,) = adapter.submit([submission(at=at)])
    assert (job.status, job.scheduled_for, job.enqueued_at) == (JobStatus.SCHEDULED, at, None)
    assert adapter.get(job.id) == job
    assert waiting(client, keys) == []
    assert client.zscore(keys.registry("scheduled", "default"), job.id) == pytest.approx(at.timestamp())


def test_jobs_wait_in_the_order_of_their_submission_on_their_own_queues(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    jobs = adapter.submit([submission(n, queue="other" if n % 2 else "default") for n in range(6)])
    jobs += adapter.submit([submission(6)])
    assert waiting(client, keys) == [jobs[n].id for n in (0, 2, 4, 6)]
    assert waiting(client, keys, "other") == [jobs[n].id for n in (1, 3, 5)]


def test_a_submission_is_one_round_trip_and_one_script(adapter: QueueAdapter, sent: list[bytes]) -> None:
    adapter.submit([submission()])  # the server learns the script
    sent.clear()
    adapter.submit([submission(), submission()], idempotency_key="k", fingerprint="f")
    assert [command_of(entry) for entry in sent] == [b"EVALSHA"]


def test_nothing_to_submit_is_no_round_trip(adapter: QueueAdapter, sent: list[bytes]) -> None:
    assert adapter.submit([]) == []
    assert sent == []


def test_a_batch_is_all_or_nothing(adapter: QueueAdapter, client: redis.Redis, settings: Settings) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        adapter.submit([submission(1), submission(2), Submission("t", {"x": float("nan")}, "default", 1, 1)])
    assert client.keys(f"{settings.prefix}*") == []


def test_a_batch_of_a_thousand_keeps_its_order(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    jobs = adapter.submit([submission(number) for number in range(1000)])
    assert [job.arguments["left"] for job in jobs] == list(range(1000))
    assert waiting(client, keys) == [job.id for job in jobs]
    assert client.zcard(keys.index) == 1000
    assert adapter.get(jobs[500].id).arguments == {"left": 500}


def test_the_same_call_again_after_a_lost_answer_queues_nothing_twice(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, worker: WorkerByHand
) -> None:
    batch = [submission(1), submission(2)]
    adapter.submit(batch)
    done = worker.run()
    again = adapter.submit([*batch, submission(3)])
    assert [job.id for job in again][:2] == [entry.id for entry in batch]
    assert waiting(client, keys) == [batch[1].id, again[2].id]
    assert adapter.get(done).status is JobStatus.FINISHED


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter.submit([submission()])
    original = AbstractConnection.read_response
    lost = iter([True])

    def read_response(self: AbstractConnection, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        if next(lost, False):
            self.disconnect()  # type: ignore[no-untyped-call]
            raise redis.ConnectionError("the answer is lost")
        return answer

    monkeypatch.setattr(AbstractConnection, "read_response", read_response)
    (job,) = adapter.submit([submission()])
    assert next(lost, "used") == "used"
    assert waiting(client, keys)[1:] == [job.id]


def test_the_server_may_forget_the_scripts(adapter: QueueAdapter, client: redis.Redis) -> None:
    first = adapter.submit([submission()])[0]
    client.script_flush()
    assert adapter.get(adapter.submit([submission()])[0].id).status is JobStatus.QUEUED
    client.script_flush()
    assert adapter.cancel(first.id).status is JobStatus.CANCELED
    client.script_flush()
    assert adapter.retry(first.id).status is JobStatus.QUEUED


# Idempotency


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_the_same_key_and_request_return_the_same_jobs(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, worker: WorkerByHand
) -> None:
    first = adapter.submit([submission(1), submission(2)], idempotency_key="key", fingerprint="f")
    worker.run(result=3)
    again = adapter.submit([submission(1), submission(2)], idempotency_key="key", fingerprint="f")
    assert ids(again) == ids(first)
    assert [job.status for job in again] == [JobStatus.FINISHED, JobStatus.QUEUED]
    assert again[0].result == 3
    assert waiting(client, keys) == [first[1].id]


def test_the_same_key_for_another_request_is_refused_and_nothing_queued(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    first = adapter.submit([submission(1)], idempotency_key="key", fingerprint="f")
    with pytest.raises(IdempotencyMismatchError):
        adapter.submit([submission(2)], idempotency_key="key", fingerprint="g")
    assert waiting(client, keys) == ids(first)
    assert client.zcard(keys.index) == 1


@pytest.mark.parametrize(("key", "fingerprint"), [("other", "f"), (None, "f"), (None, "")])
def test_another_key_or_none_is_another_request(
    adapter: QueueAdapter, key: str | None, fingerprint: str
) -> None:
    first = adapter.submit([submission()], idempotency_key="key", fingerprint="f")
    assert ids(adapter.submit([submission()], idempotency_key=key, fingerprint=fingerprint)) != ids(first)


def test_a_key_is_kept_as_its_digest_for_as_long_as_the_setting_says(
    client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    adapter = QueueAdapter(client, replace(settings, idempotency_ttl=5000))
    secret = "any text } * \n"
    adapter.submit([submission()], idempotency_key=secret, fingerprint="f")
    record = keys.idempotency(hashlib.sha256(secret.encode()).hexdigest())
    assert 4000 < client.ttl(record) <= 5000


def test_a_key_is_forgotten_when_its_job_is_gone(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    (first,) = adapter.submit([submission(1)], idempotency_key="key", fingerprint="f")
    client.delete(keys.job(first.id))
    (second,) = adapter.submit([submission(2)], idempotency_key="key", fingerprint="g")
    assert second.id != first.id
    assert adapter.get(second.id).arguments == {"left": 2}
    assert ids(adapter.submit([submission(2)], idempotency_key="key", fingerprint="g")) == [second.id]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_batch_of_which_one_job_is_gone_is_not_run_again(
    gone: int, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    batch = [submission(number) for number in range(3)]
    first = adapter.submit(batch, idempotency_key="key", fingerprint="f")
    client.delete(keys.job(first[gone].id))
    again = adapter.submit([submission(n) for n in range(3)], idempotency_key="key", fingerprint="f")
    assert ids(again) == [job.id for job in first if job.id != first[gone].id]
    assert len(waiting(client, keys)) == 3


def test_a_batch_of_which_nothing_can_be_read_any_more_is_an_unknown_job(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    (job,) = adapter.submit([submission()], idempotency_key="key", fingerprint="f")
    client.delete(keys.job(job.id))
    client.set(keys.job(job.id), "no hash")
    with pytest.raises(UnknownJobError):
        adapter.submit([submission()], idempotency_key="key", fingerprint="f")


def test_a_known_key_is_answered_in_one_round_trip(adapter: QueueAdapter, sent: list[bytes]) -> None:
    adapter.submit([submission(1), submission(2)], idempotency_key="key", fingerprint="f")
    sent.clear()
    assert len(adapter.submit([submission(1)], idempotency_key="key", fingerprint="f")) == 2
    assert len(sent) == 1


# Get


@pytest.mark.parametrize("operations", [["get"], ["log"], ["cancel"], ["cancel", "retry"]])
def test_what_a_client_does_with_a_job_is_one_round_trip(
    operations: list[str], adapter: QueueAdapter, submit: Submit, sent: list[bytes], client: redis.Redis
) -> None:
    job = submit("odd.add")
    for script in ("read", "log", "cancel", "retry"):
        client.script_load(source(script))
    for operation in operations:
        sent.clear()
        getattr(adapter, operation)(job.id)
        assert len(sent) == 1


UPPER_CASE = "A" * 36


@pytest.mark.parametrize("job_id", ["", "x", "*", "a" * 36 + "\n", "}:job:" + "0" * 30, UPPER_CASE])
def test_a_malformed_id_is_unknown_and_never_sent(
    job_id: str, adapter: QueueAdapter, sent: list[bytes]
) -> None:
    for method in (adapter.get, adapter.cancel, adapter.retry, adapter.log):
        with pytest.raises(UnknownJobError):
            method(job_id)
    assert sent == []


def test_an_id_that_was_never_given_out_is_unknown(adapter: QueueAdapter) -> None:
    for method in (adapter.get, adapter.cancel, adapter.retry, adapter.log):
        with pytest.raises(UnknownJobError, match="never submitted"):
            method(new_job_id())


def test_a_running_job_shows_attempt_worker_and_progress(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    job = submit("odd.add")
    worker.report(*worker.begin(), progress=[0.5, "half"])
    found = adapter.get(job.id)
    assert (found.status, found.attempt, found.worker) == (JobStatus.STARTED, 1, worker.name)
    assert found.progress == Progress(0.5, "half")
    assert found.started_at is not None and found.ended_at is None
    assert not found.stop_requested and not found.ended


@pytest.mark.parametrize("outcome", ENDS)
def test_an_ended_job_shows_how_it_ended(
    outcome: str, adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    job = submit("odd.add")
    worker.run(outcome, result={"sum": 3})
    found = adapter.get(job.id)
    assert found.status is JobStatus(outcome) and found.ended
    assert found.result == ({"sum": 3} if outcome == "finished" else None)
    if outcome == "finished":
        assert found.error is None
    else:
        assert found.error is not None
        assert (found.error.type, found.error.message) == ("ValueError", "bad value")
        assert found.error.traceback == "Traceback: ..."
    assert found.ended_at is not None and found.started_at is not None
    assert found.ended_at >= found.started_at


@pytest.mark.parametrize("result", [None, 0, "", [], {}, False, "null", 1.5, {"ü": [None]}])
def test_any_json_is_a_result(
    result: Any, adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    submit("odd.echo")
    found = adapter.get(worker.run(result=result)).result
    assert found == result and type(found) is type(result)


# Cancel


@pytest.fixture
def messages(client: redis.Redis, settings: Settings, keys: Keys) -> Any:
    """Listens to what RQ's workers listen to."""
    listener = client.pubsub()  # type: ignore[no-untyped-call]
    listener.psubscribe(f"{settings.prefix}:pubsub:*")
    listener.get_message(timeout=5)  # the subscription itself
    yield lambda: listener.get_message(timeout=5, ignore_subscribe_messages=True)
    listener.close()


def assert_canceled(adapter: QueueAdapter, client: redis.Redis, keys: Keys, job: Job, ttl: int) -> None:
    found = adapter.get(job.id)
    assert found.status is JobStatus.CANCELED and found.ended_at is not None
    assert waiting(client, keys) == []
    assert client.llen(keys.intermediate("default")) == 0
    assert client.zcard(keys.registry("scheduled", "default")) == 0
    assert client.zrange(keys.registry("canceled", "default"), 0, -1) == [job.id.encode()]
    assert ttl - 600 < client.ttl(keys.job(job.id)) <= ttl


def test_a_queued_job_is_canceled_and_off_the_queue(
    adapter: QueueAdapter, submit: Submit, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    job = submit("odd.add")
    assert adapter.cancel(job.id).status is JobStatus.CANCELED
    assert_canceled(adapter, client, keys, job, settings.failure_ttl)


def test_a_scheduled_job_is_canceled_and_off_the_schedule(
    adapter: QueueAdapter, submit: Submit, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    job = submit("odd.add", at=utcnow() + timedelta(hours=1))
    assert adapter.cancel(job.id).status is JobStatus.CANCELED
    assert_canceled(adapter, client, keys, job, settings.failure_ttl)


def test_a_job_that_was_taken_but_not_begun_is_canceled_and_can_t_be_begun(
    adapter: QueueAdapter,
    submit: Submit,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    worker: WorkerByHand,
) -> None:
    job = submit("odd.add")
    assert worker.take() == job.id
    assert adapter.cancel(job.id).status is JobStatus.CANCELED
    assert_canceled(adapter, client, keys, job, settings.failure_ttl)
    begin = [keys.job(job.id), keys.intermediate("default"), keys.leases]
    assert worker.scripts.run("begin", begin, job.id, "default", "w", "e", 60) == []


def test_only_the_canceled_job_leaves_the_queue(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    jobs = adapter.submit([submission(number) for number in range(3)])
    adapter.cancel(jobs[1].id)
    assert waiting(client, keys) == [jobs[0].id, jobs[2].id]


def test_a_running_job_is_asked_to_stop_in_rqs_way_and_runs_on(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand, messages: Any, settings: Settings
) -> None:
    job = submit("odd.add")
    run = worker.begin()
    asked = adapter.cancel(job.id)
    assert (asked.status, asked.stop_requested) == (JobStatus.STARTED, True)
    message = messages()
    assert message["channel"] == f"{settings.prefix}:pubsub:{worker.name}".encode()
    assert json.loads(message["data"]) == {"command": "stop-job", "job_id": job.id}
    assert worker.report(*run) == "stop"
    assert adapter.cancel(job.id).stop_requested
    assert worker.end(*run, "stopped") == "stopped"
    stopped = adapter.get(job.id)
    assert (stopped.status, stopped.stop_requested) == (JobStatus.STOPPED, False)


@pytest.mark.parametrize("outcome", [*ENDS, "canceled"])
def test_an_ended_job_can_t_be_canceled(
    outcome: str, adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    job = submit("odd.add")
    if outcome == "canceled":
        adapter.cancel(job.id)
    else:
        worker.run(outcome)
    before = adapter.get(job.id)
    with pytest.raises(ConflictError, match=f"is {outcome} already"):
        adapter.cancel(job.id)
    assert adapter.get(job.id) == before


# Retry


@pytest.mark.parametrize("outcome", ["failed", "stopped", "canceled"])
def test_a_job_without_result_is_queued_again_as_new(
    outcome: str,
    adapter: QueueAdapter,
    submit: Submit,
    worker: WorkerByHand,
    client: redis.Redis,
    keys: Keys,
) -> None:
    job = submit("odd.add", {"left": 1}, retries=2, retry_delays=(0,))
    if outcome == "canceled":
        adapter.cancel(job.id)
    else:
        run = worker.begin()
        worker.report(*run, "text", progress=[0.9, "nearly"])
        adapter.cancel(job.id)
        client.hset(keys.job(job.id), "retries_left", 0)
        worker.end(*run, outcome)
    assert client.ttl(keys.job(job.id)) > 0
    again = adapter.retry(job.id)
    assert (again.status, again.arguments, again.error) == (JobStatus.QUEUED, {"left": 1}, None)
    assert (again.started_at, again.ended_at, again.worker, again.progress) == (None, None, None, None)
    assert waiting(client, keys) == [job.id]
    assert client.hget(keys.job(job.id), "retries_left") == b"2"
    assert client.ttl(keys.job(job.id)) == -1
    assert client.ttl(keys.log(job.id)) in (-1, -2)
    assert client.zcard(keys.registry("failed", "default")) == 0
    assert client.zcard(keys.registry("canceled", "default")) == 0
    worker.run(result=5)
    finished = adapter.get(job.id)
    assert (finished.status, finished.result, finished.error) == (JobStatus.FINISHED, 5, None)


@pytest.mark.parametrize("status", ["queued", "scheduled", "started", "finished"])
def test_a_job_in_another_state_can_t_be_retried(
    status: str, adapter: QueueAdapter, submit: Submit, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    job = submit("odd.add", at=utcnow() + timedelta(hours=1) if status == "scheduled" else None)
    if status == "started":
        worker.begin()
    elif status == "finished":
        worker.run()
    before = adapter.get(job.id)
    with pytest.raises(ConflictError, match=f"is {status}"):
        adapter.retry(job.id)
    assert adapter.get(job.id) == before
    assert waiting(client, keys) == ([job.id] if status == "queued" else [])


@pytest.mark.parametrize("method", ["cancel", "retry"])
def test_a_hash_that_is_no_job_is_unknown_to_cancel_and_retry(
    method: str, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    job_id = new_job_id()
    client.hset(keys.job(job_id), "status", "failed")
    with pytest.raises(UnknownJobError):
        getattr(adapter, method)(job_id)
    assert client.hgetall(keys.job(job_id)) == {b"status": b"failed"}


# Keys


def everything(client: redis.Redis) -> set[bytes]:
    return set(client.scan_iter("*", count=10_000))


def test_every_key_of_a_job_has_the_namespaces_hash_tag(
    redis_url: str, settings: Settings, worker: WorkerByHand, client: redis.Redis, adapter: QueueAdapter
) -> None:
    before = everything(client)
    jobs = adapter.submit(
        [
            submission(1),
            submission(2),
            submission(5),
            submission(3, queue="other"),
            submission(4, at=utcnow() + timedelta(1)),
        ],
        idempotency_key="k",
        fingerprint="f",
    )
    worker.report(*worker.begin(), "text")
    worker.run("failed")
    adapter.cancel(jobs[3].id)
    new = everything(client) - before
    kinds = {key.decode().split(":")[1] for key in new}
    assert {"job", "index", "queue", "queues", "idempotency", "leases", "log", "results", "failed"} <= kinds
    assert all(key.startswith(f"{settings.prefix}:".encode()) for key in new)


def snapshot(client: redis.Redis, settings: Settings) -> dict[bytes, tuple[Any, int]]:
    """Each key of the namespace with its content and the moment it expires at."""
    found = sorted(client.scan_iter(f"{settings.prefix}*", count=10_000))
    with connect(settings) as raw:
        return {key: (raw.dump(key), int(raw.pexpiretime(key))) for key in found}


def test_reading_changes_nothing(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, worker: WorkerByHand, settings: Settings
) -> None:
    jobs = adapter.submit([submission(n) for n in range(6)])
    for outcome in ENDS:
        worker.run(outcome)
    worker.report(*worker.begin(), "text", progress=[0.1, ""])
    worker.take()
    jobs += adapter.submit([submission(at=utcnow() - timedelta(hours=1))])
    jobs += [adapter.cancel(adapter.submit([submission()])[0].id)]
    # What RQ's own readers would clean up: entries that expired, jobs that are gone, silent workers.
    for registry in ("finished", "failed", "canceled", "wip"):
        client.zadd(keys.registry(registry, "default"), {new_job_id(): 1})
    client.rpush(keys.queue("default"), new_job_id())
    client.zadd(keys.index, {new_job_id(): 0})
    client.sadd(keys.workers_of("default"), keys.worker("gone"), keys.worker(worker.name))
    client.hset(keys.worker("by-hand"), "last_heartbeat", "2020-01-01T00:00:00.000000Z")
    before = snapshot(client, settings)
    for job in jobs:
        adapter.get(job.id)
        adapter.log(job.id)
    for status in (None, *JobStatus):
        adapter.list(status=status)
        adapter.list(status=status, queue="default", task="odd.add", limit=1)
    adapter.queues(["default", "other"])
    adapter.ping()
    assert len(before) > 20
    assert snapshot(client, settings) == before
