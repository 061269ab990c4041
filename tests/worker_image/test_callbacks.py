"""Real workers tell the ends of jobs to a real receiver, which checks them with standardwebhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from standardwebhooks.webhooks import Webhook

from coatcheck.adapter import QueueAdapter
from coatcheck.callback_secret import keep, new_master, parse, secret_of
from coatcheck.callbacks import TASK, delivery_of
from coatcheck.job import Job, JobStatus, Submission, new_job_id
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import PoolProcess
from tests.support.receiver import Message, Receiver, certificate
from worker_image import delivering
from worker_image.delivering import MAX_BODY, Deliverer, DeliveryError, body_of

Put = Callable[..., Job]
StartPool = Callable[..., PoolProcess]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    keep(tmp_path / "secret", [new_master()])
    return tmp_path / "secret"


@pytest.fixture
def pool(start_pool: StartPool, secret: Path) -> Callable[..., PoolProcess]:
    """Starts a pool that may send to this machine."""
    switches = {"COATCHECK_CALLBACK_SECRET": str(secret), "COATCHECK_CALLBACK_LOOPBACK": "1"}
    return lambda **more: start_pool(**switches | more)


@pytest.fixture
def put(adapter: QueueAdapter, receiver: Receiver) -> Put:
    """Submits a job with a callback to the receiver."""

    def put(task: str, arguments: dict[str, Any], url: str = "", **options: Any) -> Job:
        job_id = new_job_id()
        delivery = replace(delivery_of(job_id, url or receiver.url, "default"), retry_delays=(0,))
        made = Submission(task, arguments, "default", 60, 60, id=job_id, delivery=delivery, **options)
        return adapter.submit([made])[0]

    return put


def verified(message: Message, secret: Path) -> Any:
    """The content of a message whose signature is good. Raises WebhookVerificationError."""
    key = secret_of(parse(secret.read_text())[0], "")
    return Webhook(key).verify(message.body, message.headers)


def received(receiver: Receiver, number: int = 1) -> list[Message]:
    return eventually(
        lambda: receiver.messages if len(receiver.messages) >= number else None, seconds=60, what="messages"
    )


def attempts(adapter: QueueAdapter, job: Job, number: int) -> list[tuple[int, int | None, str | None]]:
    def told() -> Any:
        found = adapter.deliveries(job.id).attempts
        return found if len(found) >= number else None

    return [
        (each.attempt, each.status, each.error)
        for each in eventually(told, seconds=60, what=f"{number} attempts")
    ]


def test_a_finished_job_is_told(
    pool: StartPool, put: Put, receiver: Receiver, secret: Path, adapter: QueueAdapter
) -> None:
    pool()
    job = put("odd.add", {"left": 40})
    [message] = received(receiver)
    told = verified(message, secret)
    done = adapter.get(job.id)
    assert (told["type"], told["data"]["id"], told["data"]["result"]) == ("job.finished", job.id, 42)
    assert done.ended_at is not None and told["timestamp"] == told["data"]["ended_at"]
    assert message.path == "/hook?of=test"
    assert message.headers["content-type"] == "application/json"
    assert message.headers["user-agent"].startswith("Coatcheck/")
    assert attempts(adapter, job, 1) == [(1, 204, None)]


def test_a_failed_job_is_told_without_its_traceback(
    pool: StartPool, put: Put, receiver: Receiver, secret: Path, tmp_path: Path
) -> None:
    pool()
    put("odd.fail_until", {"path": str(tmp_path / "runs"), "times": 9}, retries=0)
    told = verified(received(receiver)[0], secret)
    assert told["type"] == "job.failed"
    assert told["data"]["error"] == {"type": "RuntimeError", "message": "run 1 fails"}


def test_a_stopped_and_a_canceled_job_are_told(
    pool: StartPool, put: Put, receiver: Receiver, secret: Path, adapter: QueueAdapter, tmp_path: Path
) -> None:
    files = {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")}
    runs, waits = put("odd.wait_for", files), put("odd.add", {"left": 1})
    adapter.cancel(waits.id)
    pool()
    eventually(lambda: adapter.get(runs.id).status is JobStatus.STARTED, seconds=60, what="it runs")
    adapter.cancel(runs.id)
    told = [verified(message, secret) for message in received(receiver, 2)]
    assert {(each["type"], each["data"]["id"]) for each in told} == {
        ("job.canceled", waits.id),
        ("job.stopped", runs.id),
    }


def test_a_lost_worker_s_job_is_told(
    pool: StartPool, put: Put, receiver: Receiver, secret: Path, adapter: QueueAdapter, tmp_path: Path
) -> None:
    started = pool()
    put("odd.wait_once", {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")}, retries=0)
    eventually((tmp_path / "journal").exists, seconds=60, what="it runs")
    started.process.kill()
    started.process.wait()
    pool()
    told = verified(received(receiver)[0], secret)
    assert (told["type"], told["data"]["error"]["type"]) == ("job.failed", "WorkerLost")


def test_a_receiver_that_fails_is_asked_again_with_the_same_id(
    pool: StartPool, put: Put, receiver: Receiver, secret: Path, adapter: QueueAdapter
) -> None:
    receiver.answers = [500, 302, 204]
    pool()
    job = put("odd.add", {"left": 1})
    messages = received(receiver, 3)
    assert len({message.headers["webhook-id"] for message in messages}) == 1
    assert len({message.body for message in messages}) == 1
    for message in messages:
        verified(message, secret)
    assert attempts(adapter, job, 3) == [
        (1, 500, "the receiver answered 500"),
        (2, 302, "the receiver answered 302"),
        (3, 204, None),
    ]


def test_it_is_told_again_on_demand(
    pool: StartPool, put: Put, receiver: Receiver, secret: Path, adapter: QueueAdapter
) -> None:
    pool()
    job = put("odd.add", {"left": 1})
    attempts(adapter, job, 1)
    again = adapter.deliver_again(job.id)
    first, second = received(receiver, 2)
    verified(second, secret)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    attempts(adapter, job, 2)
    assert [each.delivery == again.id for each in adapter.deliveries(job.id).attempts] == [False, True]


def test_it_goes_over_tls(
    pool: StartPool, put: Put, secret: Path, adapter: QueueAdapter, tmp_path: Path
) -> None:
    with Receiver(certificate=certificate(tmp_path)) as receiver:
        pool(SSL_CERT_FILE=str(receiver.certificate))
        job = put("odd.add", {"left": 1}, receiver.url)
        verified(received(receiver)[0], secret)
    assert attempts(adapter, job, 1) == [(1, 204, None)]


def test_where_this_machine_is_not_allowed_nothing_is_sent(
    start_pool: StartPool, put: Put, receiver: Receiver, secret: Path, adapter: QueueAdapter
) -> None:
    """Whoever can write to Redis may plant any URL: it is checked again where it is used."""
    start_pool(COATCHECK_CALLBACK_SECRET=str(secret))
    job = put("odd.add", {"left": 1})
    other = put("odd.add", {"left": 1}, receiver.url.replace("http:", "https:"))
    assert attempts(adapter, job, 1)[0] == (1, None, "the URL should start with https://")
    assert "public name" in str(attempts(adapter, other, 1)[0][2])
    assert receiver.connections == 0


# In this process: what is rare


@pytest.fixture
def deliverer(settings: Settings, secret: Path) -> Deliverer:
    return Deliverer(replace(settings, callback_secret=str(secret), callback_loopback=True))


def ended(adapter: QueueAdapter, put: Put, **fields: Any) -> Job:
    job = put("odd.add", {"left": 1, **fields})
    return adapter.cancel(job.id)


def delivery(adapter: QueueAdapter) -> str:
    [found] = [each.id for each in adapter.list().jobs if each.task == TASK]
    return found


def test_a_receiver_that_is_gone_is_not_asked_again(
    deliverer: Deliverer, adapter: QueueAdapter, put: Put, receiver: Receiver
) -> None:
    job = ended(adapter, put)
    receiver.answers = [410]
    assert deliverer.deliver(job.id, receiver.url, delivery(adapter)) == {"told": False, "status": 410}


def test_a_job_that_runs_again_is_told_at_its_next_end(
    deliverer: Deliverer, adapter: QueueAdapter, put: Put, receiver: Receiver
) -> None:
    job = ended(adapter, put)
    first = delivery(adapter)
    adapter.retry(job.id)
    answer = deliverer.deliver(job.id, receiver.url, first)
    assert "queued again" in answer["reason"] and receiver.messages == []


def test_a_job_that_is_gone_is_not_told(
    deliverer: Deliverer, receiver: Receiver, client: redis.Redis, keys: Keys
) -> None:
    answer = deliverer.deliver(new_job_id(), receiver.url, new_job_id())
    assert answer["told"] is False and receiver.messages == []


def test_what_is_too_large_is_left_out(
    deliverer: Deliverer, adapter: QueueAdapter, put: Put, receiver: Receiver, secret: Path
) -> None:
    job = ended(adapter, put, right="x" * MAX_BODY)
    deliverer.deliver(job.id, receiver.url, delivery(adapter))
    told = verified(receiver.messages[0], secret)
    assert told["data"]["omitted"] == ["arguments", "result"]
    assert "arguments" not in told["data"] and len(receiver.messages[0].body) < 2000


def test_while_the_secret_is_renewed_both_are_good(
    deliverer: Deliverer, adapter: QueueAdapter, put: Put, receiver: Receiver, secret: Path
) -> None:
    job = ended(adapter, put)
    old, new = secret.read_text().strip(), new_master()
    keep(secret, [new, old])
    deliverer.deliver(job.id, receiver.url, delivery(adapter))
    for master in (old, new):
        Webhook(secret_of(parse(master)[0], "")).verify(
            receiver.messages[0].body, receiver.messages[0].headers
        )


def test_half_a_surrogate_pair_in_a_result_does_not_stop_a_delivery(adapter: QueueAdapter, put: Put) -> None:
    job = replace(ended(adapter, put), result="\ud800")
    assert b'"result":"\\ud800"' in body_of(job)


def test_a_failed_attempt_fails_the_run(
    deliverer: Deliverer, adapter: QueueAdapter, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(adapter, put)
    with pytest.raises(DeliveryError, match="ConnectionRefused"):
        deliverer.deliver(job.id, "http://127.0.0.1:9/", delivery(adapter))
    assert delivering.GONE == 410
