"""The doctor: each inconsistency is planted in a real Redis, found, mended, and then gone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest

from coatcheck.connection import as_text
from coatcheck.doctor import KINDS, examine, reading, repair
from coatcheck.job import Job
from tests.coatcheck.conftest import WorkerByHand
from tests.coatcheck.ward import LEFT, PLANTS, Ward


def test_a_healthy_namespace_has_no_findings(ward: Ward) -> None:
    assert ward.examine() == []


@pytest.mark.parametrize(("plant", "kinds"), PLANTS.values(), ids=PLANTS)
def test_each_inconsistency_is_found_mended_and_then_gone(
    plant: Callable[[Ward], object], kinds: list[str], ward: Ward
) -> None:
    plant(ward)
    found = ward.examine()
    assert sorted(finding.kind for finding in found) == kinds
    assert all(repaired.done for repaired in repair(ward.redis, ward.settings, found))
    assert ward.examine() == []


@pytest.mark.parametrize(("plant", "kinds"), LEFT.values(), ids=LEFT)
def test_what_can_not_be_understood_is_told_and_left(
    plant: Callable[[Ward], object], kinds: list[str], ward: Ward
) -> None:
    plant(ward)
    assert ward.kinds() == kinds
    before = ward.dump()
    findings = [finding for finding in ward.examine() if not finding.mendable]
    assert all(repaired.done is None for repaired in repair(ward.redis, ward.settings, findings))
    assert ward.dump() == before


def test_every_kind_is_planted() -> None:
    planted = {kind for plants in (PLANTS, LEFT) for _, kinds in plants.values() for kind in kinds}
    assert planted == set(KINDS)


@pytest.mark.parametrize(
    "name",
    [
        "suspended",
        "clean_registries:default",
        "scheduler-lock:default",
        "job:x:dependents",
        "rl-keys",
        "group:x",
    ],
)
def test_what_only_rq_writes_is_let_be(name: str, ward: Ward) -> None:
    ward.redis.set(f"{ward.keys.prefix}:{name}", "x")
    assert ward.examine() == []


def test_what_is_well_at_the_second_look_is_no_finding(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.redis.lrem(ward.queue, 0, ward.jobs["queued"])
    pauses = []

    def mend(seconds: float) -> None:
        pauses.append(seconds)
        ward.redis.rpush(ward.queue, ward.jobs["queued"])

    monkeypatch.setattr("coatcheck.doctor.reading.time.sleep", mend)
    assert examine(ward.redis, ward.settings, pause=3) == []
    assert pauses == [3]


def test_what_a_pool_mends_by_itself_gets_its_time(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.redis.sadd(ward.keys.workers, "nonsense")
    pauses = []

    def mend(seconds: float) -> None:
        pauses.append(seconds)
        if seconds == 7:
            ward.redis.srem(ward.keys.workers, "nonsense")

    monkeypatch.setattr("coatcheck.doctor.reading.time.sleep", mend)
    assert examine(ward.redis, ward.settings, pause=1, healing=7) == []
    assert pauses == [1, 7]


def test_a_queue_is_read_in_pages_while_workers_take_from_its_head(
    ward: Ward, submit: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 10)
    monkeypatch.setattr(reading, "OVERLAP", 4)
    ids = [submit("odd.add").id for _ in range(57)]
    ward.redis.ltrim(ward.queue, 2, -1)
    pages = reading._Reader(ward.redis, ward.settings)._pages(ward.queue)
    seen = [as_text(member) for member in islice(pages, 10)]
    ward.redis.lpop(ward.queue, 3)
    seen += [as_text(member) for member in islice(pages, 6)]
    ward.redis.lpop(ward.queue, 1)
    seen += [as_text(member) for member in pages]
    assert seen == ids


def test_long_queues_and_registries_are_read_whole(
    ward: Ward, submit: Callable[..., Job], worker: WorkerByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 10)
    monkeypatch.setattr(reading, "OVERLAP", 4)
    ids = [submit("odd.add").id for _ in range(57)]
    for _ in range(20):
        worker.run()
    assert ward.examine() == []
    ward.redis.rpush(ward.queue, ids[50])
    ward.redis.lrem(ward.queue, 0, ids[30])
    assert ward.kinds() == ["queued-nowhere", "queued-twice"]
