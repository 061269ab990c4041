"""What lists show of a job, and that a list fits into an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.documents import MAX_MESSAGE, batch_document, job_document, job_summary
from chalicelib.requests import Request
from chalicelib.responses import to_json
from coatcheck.batches import SHOWN, Batch
from coatcheck.job import Job, JobError, JobStatus, Progress, new_job_id
from tests.functions.client import Api
from worker_image.runner import MAX_MESSAGE as KEPT

LAMBDA = 6 * 1024 * 1024
"""Bytes that a function may answer, as JSON (AWS: "Lambda quotas")."""
REQUEST = Request("GET", "/", "/api", {}, {}, {}, b"")
NOW = datetime(2026, 11, 26, tzinfo=UTC)
FAILED = Job(
    id=new_job_id(),
    task="reports.summarise",
    queue="default",
    status=JobStatus.FAILED,
    arguments={"text": "x" * 5000},
    created_at=NOW,
    progress=Progress(0.5, "é" * 500),
    error=JobError("ValueError", 'no "name"\n' * (KEPT // 10), "Traceback ..."),
    enqueued_at=NOW,
    started_at=NOW,
    ended_at=NOW,
    worker="w" * 40,
    owner="o" * 64,
    batch=new_job_id(),
)


@pytest.mark.usefixtures("context")
def test_a_list_shows_how_a_long_message_begins_and_the_job_all_of_it() -> None:
    assert FAILED.error is not None
    message, shown = FAILED.error.message, job_summary(FAILED, REQUEST)
    assert shown["error"] == {"type": "ValueError", "message": message[: MAX_MESSAGE - 1] + "…"}
    assert not shown.keys() & {"arguments", "result", "result_file", "children"}
    assert job_document(FAILED, REQUEST)["error"]["message"] == message
    short = replace(FAILED, error=JobError("ValueError", "x" * MAX_MESSAGE))
    assert job_summary(short, REQUEST)["error"]["message"] == "x" * MAX_MESSAGE


@pytest.mark.usefixtures("context")
def test_a_batch_all_of_whose_jobs_failed_fits_into_an_answer_of_lambda() -> None:
    batch = Batch(new_job_id(), None, NOW, SHOWN, (FAILED,) * SHOWN)
    body = to_json(batch_document(batch, REQUEST))
    assert len(json.dumps({"body": body}).encode()) < LAMBDA


def test_what_a_list_leaves_out_is_described(api: Api) -> None:
    schema = api.get("/openapi.json").json["components"]["schemas"]["JobSummary"]
    assert f"first {MAX_MESSAGE} characters" in schema["description"]
