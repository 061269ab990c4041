"""``coatcheck submit``, ``coatcheck batch`` and ``coatcheck run --after``."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from coatcheck.client import Client
from tests.remote.conftest import Shell

COUNT = "examples.count_slowly"
GRAPH = [
    {"task": COUNT, "ref": "first", "arguments": {"to": 2, "pause": 0}, "delay": None},
    {"task": COUNT, "ref": "then", "arguments": {"to": {"$result": "first"}, "pause": 0}},
    {"task": COUNT, "after": ["first", "then"], "arguments": {"to": 1, "pause": 0}, "if_failed": "run"},
]
WAITING = [{"task": COUNT, "ref": "a", "delay": 3600}, {"task": COUNT, "after": ["a"]}]
FAILING = [{"task": "examples.task_raises_error", "ref": "a"}, {"task": COUNT, "after": ["a"]}]


def test_a_file_is_submitted_and_waited_for(shell: Shell, client: Client) -> None:
    (shell.home / "graph.json").write_text(json.dumps({"jobs": GRAPH}))
    done = shell.piped("submit", "graph.json", "--wait")
    assert (done.status, done.out) == (0, ""), done.err
    last = done.err.splitlines()[-1]
    assert re.fullmatch(r"[0-9a-z]{36} finished: 100% of 3, 3 finished", last)
    jobs = client.batch(last[:36]).tickets
    assert jobs[2].job.after == (jobs[0].id, jobs[1].id) and jobs[2].job.if_failed == "run"


def test_without_waiting_the_batch_s_id_is_printed_once_for_a_key(shell: Shell, client: Client) -> None:
    first, again = (
        shell.piped("submit", "-", "--idempotency-key", "graph", typed=json.dumps(WAITING)) for _ in range(2)
    )
    assert (first.status, first.err) == (0, "") and first.out == again.out
    batch = client.batch(first.out.strip())
    assert batch.counts == {"scheduled": 1, "deferred": 1}
    batch.cancel()


def test_a_batch_is_shown_and_canceled(shell: Shell) -> None:
    batch = shell.piped("submit", "-", typed=json.dumps(WAITING)).out.strip()
    shown = shell.piped("batch", batch)
    head, *lines = shown.out.splitlines()
    assert shown.status == 0 and head.split()[:3] == ["ID", "STATUS", "TASK"]
    assert [line.split()[1] for line in lines[:2]] == ["scheduled", "deferred"]
    assert lines[1].split()[-1] == lines[0].split()[0], "what it comes after"
    assert shown.err == f"{batch} running: 0% of 2, 1 scheduled, 1 deferred\n"
    assert shell.piped("batch", batch, "--json").json["id"] == batch
    listed = shell.piped("jobs", "--batch", batch)
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == [
        lines[1].split()[0],
        lines[0].split()[0],
    ]
    assert "There is no batch" in shell.piped("jobs", "--batch", "0" * 36).err
    done = shell.piped("batch", batch, "--cancel")
    assert (done.status, done.out, done.err) == (0, "", f"{batch} failed: 100% of 2, 2 canceled\n")
    assert shell.piped("batch", batch, "--wait").status == 1
    assert shell.piped("batch", batch, "--cancel").status == 2


def test_a_batch_of_which_a_job_fails_ends_with_1(shell: Shell) -> None:
    done = shell.piped("submit", "-", "--wait", "--json", typed=json.dumps(FAILING))
    assert done.status == 1 and done.json["counts"] == {"failed": 1, "canceled": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("{}", "or the list alone"),
        ("[]", "of at least one job"),
        ("[5]", "job 0 of - should be an object with a task"),
        ('[{"task": "a.b", "dealy": 5}]', "job 0 of -: dealy is not known"),
        ('[{"task": "a.b", "after": "a"}]', "after should be a list"),
        ('[{"task": "a.b", "after": [5]}]', "after should be a list"),
        ('[{"task": "examples.nothing"}]', "/jobs/0/task"),
        ('[{"task": "examples.short_task", "ref": "a", "after": ["a"]}]', "would never come"),
    ],
)
def test_what_is_no_batch_is_refused(shell: Shell, text: str, words: str) -> None:
    done = shell.piped("submit", "-", typed=text)
    assert (done.status, done.out) == (2, "")
    assert words in done.err


def test_a_file_that_is_not_there(shell: Shell) -> None:
    assert "can't be read" in shell.piped("submit", "nothing.json").err


def test_one_job_is_run_after_others(shell: Shell, client: Client) -> None:
    first = shell.piped("run", COUNT, "--to", "1", "--detach").out.strip()
    second = shell.piped("run", "--after", first, COUNT, "--to", "2", "--detach").out.strip()
    done = shell.piped("run", COUNT, "--after", first, "--after", second, "--if-failed", "run", "--to", "1")
    assert (done.status, done.out) == (0, "1\n")
    job: Any = next(client.list_jobs(limit=1)).job
    assert (job.after, job.if_failed) == ((first, second), "run")
    shown = shell.piped("job", job.id).out
    assert first in shown and second in shown and re.search(r"^if failed +run$", shown, re.MULTILINE)
    assert shell.piped("run", COUNT, "--after", "0" * 36).status == 2
