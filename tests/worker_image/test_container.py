"""What the pool does for the container that it runs in: logs, protection, a clear end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]


class Agent:
    """A fake ECS agent that speaks the documented protocol of task protection."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.failures = 0
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.path == "/task-protection/v1/state"
                assert self.headers["Content-Type"] == "application/json"
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if agent.failures:
                    agent.failures -= 1
                    answer: dict[str, Any] = {"failure": {"Arn": "arn", "Reason": "DEPLOYMENT_BLOCKED"}}
                else:
                    agent.calls.append(call)
                    answer = {
                        "protection": {"ProtectionEnabled": call["ProtectionEnabled"], "TaskArn": "arn"}
                    }
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def states(self) -> list[bool]:
        return [call["ProtectionEnabled"] for call in self.calls]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = Agent()
    yield agent
    agent.close()


def test_protection_is_held_exactly_while_a_job_runs(
    agent: Agent, start_pool: StartPool, submit: Submit, tmp_path: Path
) -> None:
    start_pool(ECS_AGENT_URI=agent.url)
    submit("odd.wait_for", {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")})
    eventually(lambda: agent.states() == [True], what="protection is asked for")
    assert agent.calls[0]["ExpiresInMinutes"] == 60
    (tmp_path / "go").touch()
    eventually(lambda: agent.states() == [True, False], what="protection ends with the job")


def test_protection_ends_when_the_worker_dies(
    agent: Agent, start_pool: StartPool, submit: Submit, tmp_path: Path
) -> None:
    pool = start_pool(ECS_AGENT_URI=agent.url)
    submit("odd.wait_for", {"path": str(tmp_path / "never"), "journal": str(tmp_path / "journal")})
    eventually(lambda: agent.states() == [True])
    pool.terminate()
    assert agent.states()[-1] is False


def test_without_an_agent_nothing_is_asked(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    pool = start_pool()
    job = submit("odd.add", {"left": 1})
    eventually(lambda: adapter.get(job.id).ended)
    assert "protection" not in pool.text()


def test_json_logs_have_a_document_on_each_line_with_the_jobs_fields(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    pool = start_pool(LOG_FORMAT="json")
    job = submit("odd.add", {"left": 1})
    eventually(lambda: adapter.get(job.id).ended)
    pool.terminate()
    records = [json.loads(line) for line in pool.text().splitlines()]
    (end,) = [record for record in records if record.get("job") == job.id and "outcome" in record]
    assert (end["task"], end["attempt"], end["outcome"], end["level"]) == ("odd.add", 1, "finished", "info")
    assert end["duration"] >= 0 and end["worker"] == adapter.get(job.id).worker


def test_a_wrong_password_ends_the_pool_with_one_clear_line(start_pool: StartPool, redis_url: str) -> None:
    pool = start_pool(REDIS_URL=redis_url.replace("unix://", "unix://nobody:secret@"))
    assert pool.process.wait(20) == 78
    (line,) = pool.text().splitlines()
    assert line.startswith("Redis refuses the log-in of REDIS_URL")
    assert "secret" not in line


def test_workers_that_keep_dying_at_their_start_end_the_pool(start_pool: StartPool, tmp_path: Path) -> None:
    (tmp_path / "tasks_that_die").mkdir()
    (tmp_path / "tasks_that_die" / "__init__.py").touch()
    # Imported by the pool's own check without harm, deadly for the worker that has a pipe to its pool.
    text = (
        "import os, signal\nif os.environ.get('COATCHECK_EXIT_WITH_PARENT'):\n    os.kill(os.getppid(), 9)\n"
    )
    (tmp_path / "tasks_that_die" / "deadly.py").write_text(text)
    pool = start_pool(COATCHECK_TASKS="tasks_that_die", PYTHONPATH=str(tmp_path), COATCHECK_QUEUES="default")
    assert pool.process.wait(100) == 1
    assert "giving up" in pool.text().splitlines()[-2]
