"""``coatcheck doctor``: what it says, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from coatcheck.codec import encode_error
from coatcheck.job import Job, JobError
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from infra.embedded import EmbeddedRedis
from tests.support.processes import ROOT

Submit = Callable[..., Job]
Doctor = Callable[..., subprocess.CompletedProcess[str]]


def examined(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra", "doctor", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "REDIS_URL"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def doctor(settings: Settings) -> Doctor:
    """Runs the command on the test's namespace."""
    variables = {"REDIS_URL": settings.redis_url, "COATCHECK_NAMESPACE": settings.namespace}
    return lambda *arguments: examined(*arguments, **variables)


@pytest.fixture
def forgotten(submit: Submit, client: redis.Redis, keys: Keys) -> str:
    """The id of a job that is on no queue."""
    job = submit("odd.add")
    client.delete(keys.queue("default"))
    return job.id


def test_nothing_wrong_is_told_with_status_0(doctor: Doctor, submit: Submit, settings: Settings) -> None:
    submit("odd.add")
    done = doctor()
    told = f"namespace {settings.namespace}: nothing is wrong\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")


def test_findings_are_told_with_status_1_and_nothing_changes(
    doctor: Doctor, forgotten: str, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    done = doctor()
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"queued-nowhere  {keys.job(forgotten)}",
        "  The job is queued, but waits on no queue.",
        "",
        "queued-nowhere        1",
        f"namespace {settings.namespace}: 1 finding, nothing was changed; --repair mends",
    ]
    assert not client.exists(keys.queue("default"))


def test_a_repair_tells_what_it_did_and_the_next_run_is_clean(
    doctor: Doctor, forgotten: str, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    done = doctor("--repair")
    assert done.returncode == 0, done.stderr
    assert "The job is queued, but waits on no queue. -> put at the head of its queue, default" in done.stdout
    assert done.stdout.endswith(f"namespace {settings.namespace}: 1 finding, 1 mended, 0 left\n")
    assert client.lrange(keys.queue("default"), 0, -1) == [forgotten.encode()]
    assert doctor().returncode == 0


def test_what_is_left_is_told_with_status_1(
    doctor: Doctor, forgotten: str, client: redis.Redis, keys: Keys
) -> None:
    client.set(f"{keys.prefix}:surprise", "x")
    done = doctor("--repair")
    assert done.returncode == 1
    assert "Neither Coatcheck nor RQ knows such a key (a string). -> left as it is" in done.stdout
    assert "2 findings, 1 mended, 1 left" in done.stdout
    assert client.exists(f"{keys.prefix}:surprise")


def test_which_jobs_are_quarantined_is_told_with_the_reason_and_what_to_do(
    doctor: Doctor, forgotten: str, client: redis.Redis, keys: Keys
) -> None:
    def quarantine(reason: str) -> None:
        error = encode_error(JobError("Quarantined", reason))
        client.hset(keys.job(forgotten), mapping={"status": "failed", "error": error})

    quarantine("it is not signed; nothing was run")
    lines = doctor("--repair").stdout.splitlines()
    at = lines.index(f"quarantined  {keys.job(forgotten)}")
    assert lines[at + 1].startswith(
        "  Quarantined: it is not signed; nothing was run. Find out who writes to Redis"
    )
    assert lines[at + 1].endswith("-> left as it is")
    assert "quarantined              1" in lines
    quarantine("\x1b[2J")
    assert "Quarantined: \N{REPLACEMENT CHARACTER}[2J. Find" in doctor().stdout


def test_json_is_for_machines(doctor: Doctor, forgotten: str, keys: Keys, settings: Settings) -> None:
    done = doctor("--json")
    assert done.returncode == 1
    finding = {
        "kind": "queued-nowhere",
        "key": keys.job(forgotten),
        "job": forgotten,
        "message": "The job is queued, but waits on no queue.",
        "done": None,
    }
    assert json.loads(done.stdout) == {
        "namespace": settings.namespace,
        "repaired": False,
        "counts": {"queued-nowhere": 1},
        "wrong": 1,
        "findings": [finding],
    }
    mended = json.loads(doctor("--json", "--repair").stdout)
    assert (mended["repaired"], mended["wrong"]) == (True, 0)
    assert mended["findings"] == [finding | {"done": "put at the head of its queue, default"}]
    assert json.loads(doctor("--json").stdout)["findings"] == []


def test_without_a_setting_it_examines_the_server_of_coatcheck_up(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedRedis(data):
        done = examined("--data", str(data))
    assert (done.returncode, done.stdout) == (0, "namespace coatcheck: nothing is wrong\n")


def test_the_url_goes_before_the_setting(settings: Settings) -> None:
    done = examined("--url", settings.redis_url, REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--data", "/nowhere"],
            "no server to examine: 'coatcheck up' does not run with the data in /nowhere",
        ),
        (["--url", "http://host"], "REDIS_URL='http://host' is not valid"),
        (["--url", "redis://127.0.0.1:1"], "the Redis server can't be examined: ConnectionError"),
    ],
    ids=["no server", "no URL", "no answer"],
)
def test_what_can_not_be_examined_is_told_with_status_2(arguments: list[str], told: str) -> None:
    done = examined(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"coatcheck: {told}")
    assert "Traceback" not in done.stderr
