"""``/metrics`` tells what ``/queues`` tells, in Prometheus' words, where it is switched on."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from coatcheck.job import Job
from tests.functions.client import Api, Reply
from tests.support.polling import eventually


def figures(reply: Reply) -> dict[tuple[str, tuple[str, ...]], float]:
    """All samples, by name and the values of their labels."""
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(reply.body)
        for sample in family.samples
    }


def test_it_is_not_there_unless_switched_on(api: Api) -> None:
    reply = api.get("/metrics")
    assert reply.is_problem(404, "not-found")
    assert "COATCHECK_METRICS" in reply.json["detail"]


def test_it_tells_of_every_queue(
    api: Api, change: Callable[..., None], submit: Callable[..., Job], start_pool: Callable[..., object]
) -> None:
    change(metrics="prometheus")
    submit("odd.add", {"left": 1})
    submit("odd.add", {"left": 1})
    found = figures(api.get("/metrics"))
    assert found["coatcheck_jobs", ("default", "queued")] == 2
    assert found["coatcheck_jobs", ("other", "queued")] == 0
    assert found["coatcheck_oldest_wait_seconds", ("default",)] > 0
    assert found["coatcheck_oldest_wait_seconds", ("reports",)] == 0
    assert found["coatcheck_workers", ("default", "idle")] == 0
    start_pool()

    def ended() -> bool:
        found = figures(api.get("/metrics"))
        return (
            found["coatcheck_jobs", ("default", "finished")] == 2
            and found["coatcheck_workers", ("default", "idle")] == 1
        )

    eventually(ended)


def test_while_redis_is_away_it_is_unavailable(api: Api, change: Callable[..., None]) -> None:
    change(metrics="prometheus", redis_url="redis://127.0.0.1:1")
    assert api.get("/metrics").is_problem(503, "unavailable")
