"""``coatcheck up``, the whole product: real processes, real signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.infra.product import Start
from tests.support.polling import eventually
from tests.support.processes import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")

SLOW = {"to": 1000, "pause": 0.1}
"""Arguments of ``examples.count_slowly`` for a job that runs longer than any test."""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except OSError:
        return True


def test_the_first_line_is_the_url_and_the_page_is_there(start: Start) -> None:
    product = start()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", product.first_line)
    with urlopen(product.url, timeout=10) as page:
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<title>" in page.read().decode()


def test_a_job_runs_to_its_end_and_changes_are_logged_reads_are_not(start: Start) -> None:
    product = start()
    job = product.submit("examples.count_slowly", {"to": 3, "pause": 0})
    assert product.until(job, "finished")["result"] == 3
    log = product.log()
    assert re.search(
        rf"^\d\d:\d\d:\d\d api    POST /tasks/examples\.count_slowly 202 \d+ ms /jobs/{job}$",
        log,
        re.MULTILINE,
    )
    assert re.search(r"^\d\d:\d\d:\d\d redis  (Valkey|Redis) \d\S* started", log, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d worker ", log, re.MULTILINE)
    assert f"GET /jobs/{job}" not in log
    assert "\x1b" not in log


def test_verbose_logs_reads_too(start: Start) -> None:
    product = start("--verbose")
    product.ask("/tasks")
    eventually(lambda: re.search(r"api    GET /tasks 200 \d+ ms", product.log()))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_within_five_seconds_and_the_next_up_goes_on(
    start: Start, signum: signal.Signals
) -> None:
    first = start()
    running = first.submit("examples.count_slowly", SLOW)
    first.until(running, "started")
    waiting = first.submit("examples.count_slowly", {"to": 2, "pause": 0})
    before = first.processes()
    assert len(before) >= 4, before  # up, Redis, pool, worker

    began = time.monotonic()
    assert first.signal(signum) == 0
    assert time.monotonic() - began < 5
    assert first.processes() == {}

    second = start()
    job = second.until(running, "started")
    assert job["attempt"] + job["interrupted"] >= 2, "it ran before, and that is told"
    second.ask(f"/jobs/{running}", method="DELETE")
    assert second.until(waiting, "finished")["result"] == 2


def test_the_second_ctrl_c_ends_all_at_once(start: Start) -> None:
    product = start(WORKER_STOP_TIMEOUT="60")
    job = product.submit("examples.count_slowly", SLOW)
    product.until(job, "started")
    product.process.send_signal(signal.SIGINT)
    eventually(lambda: "stopping" in product.log())
    time.sleep(0.3)
    assert product.process.poll() is None, "the running job has a minute"
    assert product.signal(signal.SIGINT, timeout=10) == 0
    eventually(lambda: product.processes() == {}, seconds=5, what="no process is left")


def test_ctrl_c_while_it_starts_leaves_nothing(start: Start, tmp_path: Path) -> None:
    tasks = tmp_path / "slow_tasks"
    tasks.mkdir()
    (tasks / "__init__.py").write_text(
        "import pathlib, time\npathlib.Path(__file__).with_name('begun').touch()\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "infra", "up", "--port", "0", "--data", str(tmp_path / "data")],
        cwd=ROOT,
        env=os.environ | {"COATCHECK_TASKS": "slow_tasks", "PYTHONPATH": f"{tmp_path}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    eventually((tasks / "begun").exists)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, b"")
    assert not (tmp_path / "data" / "redis.sock").exists()


def test_a_killed_up_leaves_its_redis_which_the_next_one_uses(start: Start) -> None:
    first = start()
    job = first.submit("examples.count_slowly", SLOW)
    first.until(job, "started")
    redis = first.process_of("unixsocket:")
    first.process.kill()
    first.process.wait()
    eventually(lambda: set(first.processes()) == {redis}, what="only Redis is left")

    second = start()
    eventually(lambda: "found running" in second.log())
    second.until(job, "started")
    second.signal(signal.SIGINT)
    assert gone(redis)


def test_dead_workers_are_started_again(start: Start) -> None:
    product = start()
    product.until_ready()
    pool = product.process_of("-m worker_image ")
    os.kill(pool, signal.SIGKILL)
    job = product.submit("examples.count_slowly", {"to": 1, "pause": 0})
    product.until(job, "finished")
    assert product.process_of("-m worker_image ") != pool
    assert "the workers ended (status -9)" in product.log()


def test_a_dead_redis_is_started_again_with_all_jobs(start: Start) -> None:
    product = start()
    job = product.submit("examples.count_slowly", {"to": 1, "pause": 0})
    product.until(job, "finished")
    os.kill(product.process_of("unixsocket:"), signal.SIGKILL)
    eventually(lambda: "runs again" in product.log(), what="Redis is back")
    assert product.job(job)["result"] == 1
    again = product.submit("examples.count_slowly", {"to": 2, "pause": 0})
    assert product.until(again, "finished")["result"] == 2


def test_a_taken_port_is_refused_if_it_was_asked_for(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        product = start(port=port)
        assert product.process.wait(20) == 2
    assert product.first_line == ""
    assert f"port {port} of 127.0.0.1 is taken" in product.log()
    assert product.processes() == {}


def test_a_taken_port_is_passed_over_if_none_was_asked_for(start: Start) -> None:
    try:
        other = socket.create_server(("127.0.0.1", 8000))
    except OSError:  # taken by somebody else: as good
        other = socket.socket()
    with other:
        product = start(port="")
        assert 8000 < int(product.url.rstrip("/").rpartition(":")[2]) < 8100


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("192.0.2.1", r"can't listen on 192\.0\.2\.1, port 0: Cannot assign"),
        ("no.such.host.invalid", r"can't listen on no\.such\.host\.invalid, port 0: "),
    ],
)
def test_a_host_that_is_not_this_machine_is_refused(start: Start, host: str, told: str) -> None:
    product = start("--host", host)
    assert product.process.wait(20) == 2
    assert re.search(told, product.log())
    assert product.processes() == {}


def test_listening_for_other_machines_is_told(start: Start) -> None:
    product = start("--host", "0.0.0.0")
    assert product.url.startswith("http://127.0.0.1:")
    assert product.ask("/tasks")["tasks"]
    eventually(lambda: "whoever reaches this machine can submit jobs" in product.log())


def test_with_nohup_it_outlives_its_terminal(start: Start) -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited, which is all that nohup does
    try:
        product = start()
    finally:
        signal.signal(signal.SIGHUP, former)
    product.process.send_signal(signal.SIGHUP)
    job = product.submit("examples.count_slowly", {"to": 1, "pause": 0})
    product.until(job, "finished")


def test_a_second_up_on_the_same_data_is_refused(start: Start) -> None:
    first = start()
    second = start()
    assert second.process.wait(20) == 2
    assert f"(process {first.process.pid})" in second.log()
    assert first.ask("/tasks")["tasks"]


def test_a_faulty_task_is_told_and_nothing_is_started(start: Start, tmp_path: Path) -> None:
    tasks = tmp_path / "faulty_tasks"
    tasks.mkdir()
    (tasks / "__init__.py").touch()
    (tasks / "broken.py").write_text("def add(left, right: int) -> int:\n    return left + right\n")
    product = start(COATCHECK_TASKS="faulty_tasks", PYTHONPATH=str(tmp_path))
    assert product.process.wait(20) == 2
    assert product.first_line == ""
    assert re.search(r"broken\.py:1: function add, argument left: has no type annotation", product.log())
    assert not (product.data / "redis.sock").exists()


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"WORKER_PROCESSES": "many"}, "WORKER_PROCESSES='many' is not valid; it should be a whole number"),
        ({"REDIS_URL": "http://nowhere"}, "REDIS_URL='http://nowhere' is not valid"),
    ],
)
def test_a_wrong_setting_is_told(start: Start, variables: dict[str, str], told: str) -> None:
    product = start(**variables)
    assert product.process.wait(20) == 2
    assert told in product.log()
    assert "Traceback" not in product.log()


def test_a_given_redis_is_used_and_none_is_started(start: Start, redis_url: str) -> None:
    product = start(REDIS_URL=redis_url, COATCHECK_NAMESPACE="given")
    job = product.submit("examples.count_slowly", {"to": 1, "pause": 0})
    product.until(job, "finished")
    assert not (product.data / "redis.sock").exists()
    assert not any("unixsocket" in line for line in product.processes().values())


def test_a_given_redis_that_is_away_is_waited_for(start: Start, tmp_path: Path) -> None:
    product = start(REDIS_URL=f"unix://{tmp_path}/nothing.sock")
    assert product.ask("/health")["status"] == "unavailable"
    eventually(lambda: f"REDIS_URL can't be reached: Error 2 connecting to {tmp_path}" in product.log())


def test_the_api_never_imports_a_task_nor_what_only_workers_need(start: Start, tmp_path: Path) -> None:
    tasks = tmp_path / "heavy_tasks"
    tasks.mkdir()
    (tasks / "__init__.py").touch()
    (tasks / "heavy.py").write_text(
        "import os, pathlib, time\n"
        "with pathlib.Path(__file__).with_name('importers').open('a') as file:\n"
        "    print(os.getpid(), file=file)\n"
        "def light() -> int:\n"
        "    return 1\n"
    )
    product = start(python=("-X", "importtime"), COATCHECK_TASKS="heavy_tasks", PYTHONPATH=str(tmp_path))
    job = product.submit("heavy.light")
    product.until(job, "finished")
    for path in ("/tasks", "/jobs", "/queues", "/openapi.json", "/health", f"/jobs/{job}/log"):
        product.ask(path)
    importers = (tasks / "importers").read_text().split()
    assert importers
    assert str(product.process.pid) not in importers
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", product.log(), re.MULTILINE))
    assert {"chalicelib.tasks", "redis"} <= imported
    assert not {
        name for name in imported if name.split(".")[0] in ("rq", "pydantic", "worker_image", "heavy_tasks")
    }
