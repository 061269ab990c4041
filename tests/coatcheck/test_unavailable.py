"""Redis away, silent, loading, full or failing over: a 503 that says when to try again, and a recovery."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck import connection
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import UnavailableError
from coatcheck.job import JobStatus, Submission, new_job_id
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from tests.support.polling import eventually
from tests.support.ports import free_port

JOB_ID = new_job_id()


def submission() -> Submission:
    return Submission("odd.add", {"left": 1}, "default", 60, 600)


READS: dict[str, Callable[[QueueAdapter], Any]] = {
    "get": lambda adapter: adapter.get(JOB_ID),
    "list": lambda adapter: adapter.list(),
    "list by status": lambda adapter: adapter.list(status=JobStatus.QUEUED, queue="default"),
    "log": lambda adapter: adapter.log(JOB_ID),
    "batch": lambda adapter: adapter.batch(JOB_ID),
    "queues": lambda adapter: adapter.queues(["default"]),
    "ping": lambda adapter: adapter.ping(),
}
WRITES: dict[str, Callable[[QueueAdapter], Any]] = {
    "submit": lambda adapter: adapter.submit([submission()]),
    "submit with a key": lambda adapter: adapter.submit([submission()], idempotency_key="k", fingerprint="f"),
    "cancel": lambda adapter: adapter.cancel(JOB_ID),
    "retry": lambda adapter: adapter.retry(JOB_ID),
}
METHODS = READS | WRITES


def assert_unavailable(adapter: QueueAdapter, *names: str) -> None:
    for name in names or METHODS:
        with pytest.raises(UnavailableError) as caught:
            METHODS[name](adapter)
        assert caught.value.headers == {"Retry-After": "2"}, name
        assert caught.value.status == 503


def adapter_of(url: str) -> QueueAdapter:
    settings = load({"REDIS_URL": url})
    return QueueAdapter(connect(settings, socket_timeout=0.1), settings)


class FakeServer:
    """Takes connections on a port of loopback; answers each command with a fixed reply, or never."""

    def __init__(self, reply: str | None) -> None:
        self._reply = None if reply is None else f"-{reply}\r\n".encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(taken)
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        try:
            while data := taken.recv(1 << 20):
                if self._reply:
                    taken.sendall(self._reply * len(re.findall(rb"\*\d+\r\n\$", data)))
        except OSError:
            return

    def close(self) -> None:
        for each in (self._socket, *self._connections):
            each.close()


@pytest.fixture
def fake() -> Iterator[Callable[[str | None], FakeServer]]:
    servers: list[FakeServer] = []

    def start(reply: str | None) -> FakeServer:
        servers.append(FakeServer(reply))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_a_refused_connection_is_unavailable() -> None:
    assert_unavailable(adapter_of(f"redis://127.0.0.1:{free_port()}"))


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    assert_unavailable(adapter_of("redis://nowhere.invalid"), "get", "submit")


def test_a_server_that_never_answers_is_unavailable_after_one_retry(
    fake: Callable[[str | None], FakeServer],
) -> None:
    server = fake(None)
    assert_unavailable(adapter_of(server.url))
    assert len(server._connections) == len(METHODS) * (1 + connection.RETRIES)


def test_the_worst_wait_of_two_tries_stays_below_three_seconds() -> None:
    """The time within which the API answers, with the back-off between the tries."""
    tries = 1 + connection.RETRIES
    assert tries * max(connection.CONNECT_TIMEOUT, connection.SOCKET_TIMEOUT) + 0.2 < 3


@pytest.mark.parametrize(
    "reply",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "NOREPLICAS Not enough good replicas to write.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "NOAUTH Authentication required.",
        "ERR max number of clients reached",
    ],
)
def test_a_reply_that_means_not_now_is_unavailable(
    reply: str, fake: Callable[[str | None], FakeServer]
) -> None:
    assert_unavailable(adapter_of(fake(reply).url))


@pytest.mark.parametrize("reply", ["ERR unknown command", "BUSYGROUP name exists", "ERR OOM is in the text"])
def test_an_error_of_ours_is_not_taken_for_an_absence(
    reply: str, fake: Callable[[str | None], FakeServer]
) -> None:
    adapter = adapter_of(fake(reply).url)
    for method in METHODS.values():
        with pytest.raises(redis.ResponseError):
            method(adapter)


def test_the_message_holds_no_address_and_no_password() -> None:
    with pytest.raises(UnavailableError) as caught:
        adapter_of(f"redis://:hunter2@127.0.0.1:{free_port()}").ping()
    assert str(caught.value) == "Redis can't be used right now: ConnectionError"


# The same on real servers, each with a state of its own


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def settings(server: EmbeddedRedis) -> Settings:
    return replace(load({"REDIS_URL": server.url}), namespace="away")


def test_when_the_server_is_back_on_its_address_the_same_client_works_again(
    server: EmbeddedRedis, adapter: QueueAdapter
) -> None:
    (first,) = adapter.submit([submission()])
    server.stop()
    assert_unavailable(adapter)
    server.start()
    assert adapter.get(first.id).status is JobStatus.QUEUED
    (second,) = adapter.submit([submission()])
    assert [job.id for job in adapter.list().jobs] == [second.id, first.id]


def test_a_connection_that_broke_unseen_is_made_anew(server: EmbeddedRedis, adapter: QueueAdapter) -> None:
    for method in (READS["list"], READS["queues"], READS["ping"], WRITES["submit"]):
        adapter.ping()
        with redis.Redis.from_url(server.url) as admin:
            admin.client_kill_filter(_type="normal", skipme=True)
        method(adapter)


def test_a_full_server_takes_no_job_but_still_tells_of_those_it_has(
    adapter: QueueAdapter, client: redis.Redis
) -> None:
    (job,) = adapter.submit([submission()])
    client.config_set("maxmemory", 1)
    assert_unavailable(adapter, "submit", "submit with a key")
    assert [found.id for found in adapter.list().jobs] == [job.id]
    client.config_set("maxmemory", 0)
    assert len(adapter.submit([submission()])) == 1


def test_a_replica_takes_no_job_and_one_without_its_primary_tells_nothing(
    adapter: QueueAdapter, client: redis.Redis
) -> None:
    (job,) = adapter.submit([submission()])
    client.replicaof("127.0.0.1", free_port())
    assert_unavailable(adapter, "submit", "submit with a key")
    assert adapter.get(job.id).id == job.id
    client.config_set("replica-serve-stale-data", "no")
    assert_unavailable(adapter, *(name for name in METHODS if name != "ping"))
    client.replicaof("NO", "ONE")
    assert len(adapter.submit([submission()])) == 1


def test_a_server_that_runs_a_long_script_is_unavailable_until_it_ends(
    server: EmbeddedRedis, adapter: QueueAdapter, client: redis.Redis
) -> None:
    adapter.submit([submission()])
    client.config_set("busy-reply-threshold", 1)
    with redis.Redis.from_url(server.url, socket_timeout=60) as other:

        def loop() -> None:
            with pytest.raises(redis.ResponseError):
                other.eval("while true do end", 0)

        thread = threading.Thread(target=loop)
        thread.start()
        eventually(lambda: is_busy(client))
        assert_unavailable(adapter)
        client.script_kill()
        thread.join()
    assert len(adapter.submit([submission()])) == 1


def is_busy(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.ResponseError as error:
        return str(error).startswith("BUSY ")
    return False
