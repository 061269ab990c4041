"""Signed jobs before a real pool: what was changed or planted is quarantined, and everything else runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.codec import encode_submission
from coatcheck.doctor import examine
from coatcheck.job import Job, JobStatus, Submission, new_job_id
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.invariants import violations
from tests.support.polling import eventually
from tests.support.processes import PoolProcess
from worker_image.lifeline import EX_CONFIG

StartPool = Callable[..., PoolProcess]
FIRST, SECOND = "first-key-" * 4, "second-key-" * 4


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "signing-keys"
    path.touch(mode=0o600)
    path.write_text(FIRST)
    return path


@pytest.fixture
def signing(client: redis.Redis, settings: Settings, keys_file: Path) -> QueueAdapter:
    """The adapter of an API that signs."""
    return QueueAdapter(client, replace(settings, signing_keys=str(keys_file)))


@pytest.fixture
def signed_pool(start_pool: StartPool, keys_file: Path) -> Callable[..., PoolProcess]:
    """Starts a pool that checks signatures."""

    def start(**variables: str) -> PoolProcess:
        return start_pool(COATCHECK_SIGNING_KEYS=str(keys_file), **variables)

    return start


def submission(trace: Path, **options: Any) -> Submission:
    """A job whose task leaves a trace."""
    values: dict[str, Any] = {"queue": "default", "timeout": 30, "result_ttl": 600, **options}
    return Submission("odd.fail_until", {"path": str(trace), "times": 0}, **values)


def data(task: str, arguments: dict[str, Any]) -> bytes:
    return encode_submission(Submission(task, arguments, "default", 1, 1), 1)[1]


def ended(adapter: QueueAdapter, job_id: str) -> Job:
    def look() -> Job | None:
        job = adapter.get(job_id)
        return job if job.ended else None

    return eventually(look)


def test_what_was_changed_or_planted_is_quarantined_and_the_rest_runs(
    signing: QueueAdapter,
    adapter: QueueAdapter,
    signed_pool: StartPool,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    tmp_path: Path,
) -> None:
    trace, good = tmp_path / "trace", tmp_path / "good"
    changes: dict[str, dict[Any, Any]] = {
        "other arguments": {"data": data("odd.fail_until", {"path": str(trace), "times": 1})},
        "another task": {"data": data("odd.add", {"left": 1})},
        "a longer time-out": {"timeout": "3000"},
        "another owner": {"owner": "eve"},
        "kept for ever": {"result_ttl": "99999999"},
        "more retries": {"retries": "9", "retries_left": "9"},
        "more retries left": {"retries_left": "9"},
        "retries that are no number": {"retries_left": "9" * 5000},
        "another callback": {"callback": "https://example.com/"},
        "no signature": {},
        "a malformed signature": {"signature": "v1:0:0"},
    }
    planted: dict[str, str] = {}
    for what, change in changes.items():
        [job] = signing.submit([submission(trace, retries=3, owner="ann")])
        planted[what] = job.id
        if what == "no signature":
            client.hdel(keys.job(job.id), "signature")
        elif change:
            client.hset(keys.job(job.id), mapping=change)
    [other] = signing.submit([submission(trace, queue="other")])
    client.lmove(keys.queue("other"), keys.queue("default"))  # unchanged, but before another queue's workers
    planted["another queue"] = other.id
    copy = new_job_id()
    client.copy(keys.job(planted["more retries left"]), keys.job(copy))
    client.hset(keys.job(copy), "retries_left", "3")
    client.rpush(keys.queue("default"), copy)
    planted["a copy under another id"] = copy
    [unsigned] = adapter.submit([submission(trace)])
    planted["submitted without keys"] = unsigned.id
    [whole] = signing.submit([submission(good, owner="ann")])

    pool = signed_pool()
    assert ended(adapter, whole.id).status is JobStatus.FINISHED, pool.text()
    for what, job_id in planted.items():
        job = ended(adapter, job_id)
        assert job.status is JobStatus.FAILED, what
        kind = "MalformedJob" if what == "retries that are no number" else "Quarantined"
        assert job.error and job.error.type == kind, what
        assert job.error.message.endswith("; nothing was run"), what
    assert good.exists() and not trace.exists(), pool.text()
    findings = examine(client, settings, pause=0, healing=0)
    told = {each.job: each.message for each in findings if each.kind == "quarantined"}
    assert told.keys() == {job_id for what, job_id in planted.items() if what != "retries that are no number"}
    assert "it is not signed; nothing was run" in told[unsigned.id]
    client.delete(keys.job(other.id), keys.job(copy))  # what their planter left behind
    assert "the job was changed or planted: it is not signed; nothing was run" in pool.text()


def test_a_retry_keeps_its_signature_and_a_quarantined_job_stays_one(
    signing: QueueAdapter, signed_pool: StartPool, client: redis.Redis, keys: Keys, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    [bad] = signing.submit([submission(trace)])
    client.hset(keys.job(bad.id), "timeout", "31")
    [fails] = signing.submit([Submission("odd.add", {}, "default", 30, 600, retries=1)])
    signed_pool()
    for job_id, kind in ((fails.id, "ArgumentsError"), (bad.id, "Quarantined")):
        job = ended(signing, job_id)
        assert job.error and job.error.type == kind
        attempts = job.attempt
        signing.retry(job_id)
        again = ended(signing, job_id)
        assert again.error and again.error.type == kind
        assert again.attempt > attempts
    assert not trace.exists()
    client.hset(keys.job(bad.id), "timeout", "30")
    signing.retry(bad.id)
    assert ended(signing, bad.id).status is JobStatus.FINISHED
    assert violations(client, keys.prefix) == []


def test_keys_are_replaced_while_workers_run(
    signing: QueueAdapter,
    settings: Settings,
    client: redis.Redis,
    signed_pool: StartPool,
    keys_file: Path,
    tmp_path: Path,
) -> None:
    signed_pool()
    [before] = signing.submit([submission(tmp_path / "before")])
    assert ended(signing, before.id).status is JobStatus.FINISHED
    keys_file.write_text(f"{SECOND}\n{FIRST}\n")
    new = QueueAdapter(client, replace(settings, signing_keys=str(keys_file)))
    [by_old] = signing.submit([submission(tmp_path / "old")])
    [by_new] = new.submit([submission(tmp_path / "new")])
    assert {ended(signing, job.id).status for job in (by_old, by_new)} == {JobStatus.FINISHED}


def test_while_signing_is_switched_on_unsigned_jobs_run_but_changed_ones_do_not(
    signing: QueueAdapter,
    adapter: QueueAdapter,
    signed_pool: StartPool,
    client: redis.Redis,
    keys: Keys,
    tmp_path: Path,
) -> None:
    [unsigned] = adapter.submit([submission(tmp_path / "unsigned")])
    [changed] = signing.submit([submission(tmp_path / "changed")])
    client.hset(keys.job(changed.id), "timeout", "31")
    signed_pool(COATCHECK_UNSIGNED_JOBS="run")
    assert ended(adapter, unsigned.id).status is JobStatus.FINISHED
    job = ended(adapter, changed.id)
    assert job.error and job.error.type == "Quarantined"


def test_workers_do_not_start_without_their_keys(signed_pool: StartPool, keys_file: Path) -> None:
    keys_file.chmod(0o644)
    pool = signed_pool()
    assert pool.process.wait(30) == EX_CONFIG
    assert "may be read by others: chmod 600" in pool.text()
    assert FIRST not in pool.text()
