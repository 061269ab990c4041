"""The pauses between two tries to reach Redis, and what is told of them."""

from __future__ import annotations

import logging

import pytest
from redis import ConnectionError as RedisConnectionError

from coatcheck.settings import load
from worker_image import patience
from worker_image.patience import Patience
from worker_image.telemetry import Telemetry

AWAY = RedisConnectionError("away")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log's lines."""
    caplog.set_level(logging.INFO, "coatcheck.worker")
    return caplog


@pytest.fixture
def patient() -> Patience:
    """For a lease of 12 s."""
    return Patience(12, Telemetry(load({"REDIS_URL": "redis://127.0.0.1:9"}), "worker", -1))


def test_a_failure_is_told_while_its_pauses_grow_and_then_seldom(
    patient: Patience, told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        patient.failed(AWAY)
    assert [line.rpartition("in ")[2] for line in told.messages] == [
        "0.2 s",
        "0.4 s",
        "0.8 s",
        "1.6 s",
        "3.0 s",
    ]
    for _ in range(2):
        patient.failed(AWAY, "job 1")
    assert told.messages[5:] == ["job 1: Redis can't be used (ConnectionError); trying again in 3.0 s"]
    told.clear()
    monkeypatch.setattr(patience, "QUIET_SECONDS", 0)
    patient.worked()
    assert told.messages == ["Redis can be used again"]
    for _ in range(20):
        patient.failed(AWAY)
    assert len(told.messages) == 21


def test_what_never_failed_is_not_told_to_work_again(
    patient: Patience, told: pytest.LogCaptureFixture
) -> None:
    patient.worked()
    assert told.messages == [] and patient.left() == 0
