"""Redis in cluster mode: three real nodes, and all our keys on one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.cluster import slot_of
from coatcheck.connection import connect
from coatcheck.job import Job, JobStatus, Submission
from coatcheck.settings import Settings, load
from tests.support.cluster import Cluster
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

SLOT = slot_of("{coatcheck}")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def settings(cluster: Cluster) -> Settings:
    """Settings whose URL is that of a node that does not own the keys."""
    other = cluster.nodes[(cluster.owner(SLOT) + 1) % 3]
    return load({"REDIS_URL": f"redis://127.0.0.1:{other.port}", "REDIS_CLUSTER": "1"})


def test_submit_status_list_and_worker_work_on_a_cluster(
    settings: Settings, adapter: QueueAdapter, submit: Callable[..., Job], tmp_path: Path
) -> None:
    job = submit("odd.add", {"left": 40})
    with PoolProcess(settings, tmp_path / "log", REDIS_CLUSTER="1"):
        eventually(lambda: adapter.get(job.id).status is JobStatus.FINISHED)
        assert adapter.get(job.id).result == 42
        assert [found.id for found in adapter.list().jobs] == [job.id]
        assert adapter.list(status=JobStatus.FINISHED).jobs[0].id == job.id
        waiting = submit("odd.wait_for", {"path": str(tmp_path / "never"), "journal": str(tmp_path / "j")})
        eventually(lambda: adapter.get(waiting.id).status is JobStatus.STARTED)
        adapter.cancel(waiting.id)
        eventually(lambda: adapter.get(waiting.id).status is JobStatus.STOPPED)
        assert adapter.queues(["default"])[0].counts["finished"] == 1


def test_who_waits_on_a_cluster_hears_of_the_end(adapter: QueueAdapter, submit: Callable[..., Job]) -> None:
    job = submit("odd.add")
    looks = []

    def look() -> Job:
        looks.append(adapter.get(job.id))
        if len(looks) == 1:
            adapter.cancel(job.id)
        return looks[-1]

    ended = adapter.waiters.wait(job.id, 60, look)
    assert ended is not None and ended.status is JobStatus.CANCELED
    assert len(looks) == 2


def test_a_client_follows_the_keys_to_another_node(cluster: Cluster, settings: Settings) -> None:
    with connect(settings) as client:
        adapter = QueueAdapter(client, settings)
        adapter.submit([])
        old = cluster.owner(SLOT)
        target = cluster.nodes[(old + 2) % 3]
        target_id = target.run("CLUSTER MYID")
        assert client.get("{coatcheck}:anything") is None, "the connection to the old owner is open"
        for number in range(3):
            cluster.nodes[(old + 2 + number) % 3].run("CLUSTER SETSLOT", SLOT, "NODE", target_id)
        (job,) = adapter.submit([Submission("odd.add", {"left": 1}, "default", 60, 60)])
        assert target.client.exists(f"{settings.prefix}:job:{job.id}")


def test_all_keys_are_in_one_slot() -> None:
    assert slot_of("{coatcheck}") == slot_of("{coatcheck}:job:abc") == slot_of("{coatcheck}:index")
