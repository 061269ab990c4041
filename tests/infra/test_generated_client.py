"""A client that a program makes from ``/openapi.json``: it needs no help, and does the main job."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAME = "coatcheck_api"
Part = Callable[[str], Any]


@pytest.fixture(scope="module")
def part(live_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """The generated package's modules, by their dotted names."""
    folder = tmp_path_factory.mktemp("generated")
    config = folder / "config.yml"
    config.write_text("post_hooks: []\n")  # which would have ruff look at the code
    generator = Path(sys.executable).with_name("openapi-python-client")
    options = ["--meta", "none", "--output-path", str(folder / NAME), "--config", str(config)]
    done = subprocess.run(
        [generator, "generate", "--url", f"{live_url}openapi.json", "--fail-on-warning", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"{NAME}.{name}")
    sys.path.remove(str(folder))
    for module in [module for module in sys.modules if module.partition(".")[0] == NAME]:
        del sys.modules[module]


@pytest.fixture
def client(part: Part, live_url: str) -> Iterator[Any]:
    """The generated client of the running product."""
    with part("client").Client(base_url=live_url.rstrip("/"), timeout=60) as client:
        yield client


def test_it_submits_with_typed_arguments_and_reads_a_typed_result(part: Part, client: Any) -> None:
    models = part("models")
    trip = models.ExamplesPlanTripArguments(
        start=models.Stop(city="Oslo"),
        travellers=2,
        further_stops=[models.Stop(city="Bergen", nights=2)],
        comfort=models.Comfort.SIMPLE,
    )
    answer = part("api.tasks.submit_examples_plan_trip").sync_detailed(client=client, body=trip, wait=25)
    assert answer.status_code == 200, answer
    assert answer.parsed.status is models.JobStatus.FINISHED
    assert answer.parsed.result.route == ["Oslo", "Bergen"]
    assert answer.parsed.arguments.to_dict() == trip.to_dict()


def test_it_comes_back_for_the_result_and_the_log(part: Part, client: Any) -> None:
    models = part("models")
    arguments = models.ExamplesCountSlowlyArguments(to=2, pause=0.1)
    job = part("api.tasks.submit_examples_count_slowly").sync(client=client, body=arguments)
    get = part("api.jobs.get_job").sync
    while job.ended_at is None:
        job = get(client=client, id=job.id, prefer="wait=20")
    assert job.status is models.JobStatus.FINISHED
    log = part("api.jobs.get_log").sync(client=client, id=job.id)
    assert (log.text, log.ended) == ("1 of 2\n2 of 2\n", True)


def test_it_submits_many_and_sees_them_in_the_list(part: Part, client: Any) -> None:
    models = part("models")
    entries = [models.NewBatchJobsItem(task="examples.short_task", delay="1h") for _ in range(2)]
    submit = part("api.jobs.submit_jobs").sync_detailed
    answer = submit(client=client, body=models.NewBatch(jobs=entries), idempotency_key="a key")
    assert answer.status_code == 202, answer
    again = submit(client=client, body=models.NewBatch(jobs=entries), idempotency_key="a key")
    assert [job.id for job in again.parsed.jobs] == [job.id for job in answer.parsed.jobs]
    listed = part("api.jobs.list_jobs").sync(client=client, status=models.ListJobsStatus.SCHEDULED)
    assert {job.id for job in answer.parsed.jobs} <= {job.id for job in listed.jobs}
    batch = part("api.batches.get_batch").sync(client=client, id=answer.parsed.batch.id)
    assert (batch.total, batch.status) == (2, models.BatchStatus.RUNNING)
    for job in answer.parsed.jobs:
        stopped = part("api.jobs.stop_job").sync(client=client, id=job.id)
        assert stopped.status is models.JobStatus.CANCELED


def test_it_reads_problems_as_they_are(part: Part, client: Any) -> None:
    models = part("models")
    trip = models.ExamplesPlanTripArguments(start=models.Stop(city=""), travellers=99)
    problem = part("api.tasks.submit_examples_plan_trip").sync(client=client, body=trip)
    assert problem.type_ == "urn:coatcheck:problem:invalid-arguments"
    assert {error.pointer for error in problem.errors} == {"/start/city", "/travellers"}
    unknown = part("api.jobs.get_job").sync(client=client, id="0" * 36)
    assert (unknown.status, unknown.type_) == (404, "urn:coatcheck:problem:unknown-job")
