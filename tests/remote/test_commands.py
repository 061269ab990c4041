"""``job``, ``jobs``, ``tasks``, ``queues``, ``open``, ``client``, ``completion``: piped and in a terminal."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coatcheck.client import Client, JobFailedError
from coatcheck.job import JobStatus
from infra.cli import main
from infra.remote import options
from tests.infra.product import Start
from tests.remote.conftest import Shell
from tests.support.processes import ROOT

COUNT = "examples.count_slowly"


@pytest.fixture
def job(client: Client) -> str:
    """The id of a job that has finished."""
    ticket = client.submit(COUNT, {"to": 2, "pause": 0})
    assert ticket.result(timeout=60) == 2
    return ticket.id


@pytest.fixture
def failed(client: Client) -> str:
    """The id of a job that has failed."""
    ticket = client.submit("examples.task_raises_error")
    with pytest.raises(JobFailedError):
        ticket.result(timeout=60)
    return ticket.id


def test_a_job_is_shown(shell: Shell, job: str, failed: str) -> None:
    done = shell.piped("job", job)
    assert (done.status, done.err) == (0, "")
    for name, value in (("id", job), ("task", COUNT), ("status", "finished"), ("result", "2")):
        assert re.search(rf"^{name} +{re.escape(value)}$", done.out, re.MULTILINE), done.out
    shown = shell.piped("job", failed).out
    assert "ZeroDivisionError: division by zero" in shown
    assert "print(1 / 0)" in shown
    document = shell.piped("job", job, "--json").json
    assert (document["id"], document["result"]) == (job, 2)
    with shell.terminal("job", job) as terminal:
        assert terminal.end() == 0
        assert re.search(r"status +finished", terminal.screen)
        assert b"\x1b[32mfinished" in terminal.raw


def test_a_job_is_waited_for_and_its_log_printed(shell: Shell, job: str, failed: str) -> None:
    done = shell.piped("job", job, "--wait")
    assert (done.status, done.out) == (0, "2\n")
    assert done.err.startswith("1 of 2\n2 of 2\n")
    assert shell.piped("job", failed, "--wait").status == 1
    for words in (("--log",), ("--log", "--wait")):
        done = shell.piped("job", job, *words)
        assert (done.status, done.out, done.err) == (0, "1 of 2\n2 of 2\n", "")
    with shell.terminal("job", job, "--log") as terminal:
        assert terminal.end() == 0
        assert terminal.screen == "1 of 2\n2 of 2"


def test_a_job_is_canceled_and_retried(shell: Shell, client: Client) -> None:
    held = client.submit(COUNT, {"to": 1, "pause": 0}, delay="1h").id
    done = shell.piped("job", held, "--cancel")
    assert (done.status, done.out, done.err) == (0, "", f"{held} canceled\n")
    done = shell.piped("job", held, "--cancel")
    assert (done.status, done.out) == (2, "")
    assert "canceled already" in done.err
    done = shell.piped("job", held, "--retry", "--wait")
    assert (done.status, done.out) == (0, "1\n")
    assert shell.piped("job", held, "--cancel", "--retry").status == 2
    missing = shell.piped("job", "0" * 36)
    assert (missing.status, missing.out) == (2, "")
    assert "There is no job" in missing.err


def test_jobs_are_listed_filtered_and_paged(shell: Shell, job: str, failed: str) -> None:
    done = shell.piped("jobs", "--status", "failed", "--limit", "1")
    head, line = done.out.splitlines()
    assert head.split() == ["ID", "STATUS", "TASK", "CREATED", "TOOK"]
    assert line.split()[:3] == [failed, "failed", "examples.task_raises_error"]
    assert line.endswith("ZeroDivisionError: division by zero")
    first = shell.piped("jobs", "--json", "--limit", "1").json
    assert [entry["id"] for entry in first["jobs"]] == [failed]
    second = shell.piped("jobs", "--limit", "1", "--cursor", first["next"])
    assert second.out.splitlines()[1].split()[0] == job
    told = re.fullmatch(r"there are more: --cursor (\S+)\n", second.err)
    assert told or not second.err
    none = shell.piped("jobs", "--queue", "nowhere", "--task", COUNT)
    assert (none.status, none.err) == (0, "no jobs\n")
    assert shell.piped("jobs", "--status", "lost").status == 2
    assert shell.piped("jobs", "--limit", "0").status == 2
    with shell.terminal("jobs", "--task", "examples.task_raises_error", "--limit", "2") as terminal:
        assert terminal.end() == 0
        assert failed in terminal.screen
        assert b"\x1b[31mfailed" in terminal.raw
    with shell.terminal("jobs", columns=60) as terminal:
        assert terminal.end() == 0
        assert failed in terminal.screen, "an id is never cut"


def test_tasks_are_listed_and_shown(shell: Shell) -> None:
    done = shell.piped("tasks")
    assert (done.status, done.err) == (0, "")
    assert re.search(r"^examples\.short_task +default +Sleeps for one second\.$", done.out, re.MULTILINE)
    names = shell.piped("tasks", "--quiet").out.splitlines()
    assert "examples.plan_trip" in names
    assert [task["name"] for task in shell.piped("tasks", "--json").json["tasks"]] == names
    shown = shell.piped("tasks", "examples.plan_trip").out
    assert re.search(r"^travellers +whole number, 1 to 9 +required +How many travel together\.$", shown, re.M)
    assert re.search(r'^comfort +one of simple, cosy, grand +"cosy"', shown, re.MULTILINE)
    assert shell.piped("tasks", "examples.plan_trip", "--json").json["name"] == "examples.plan_trip"
    assert "no arguments" in shell.piped("tasks", "examples.short_task").out
    assert shell.piped("tasks", "no.such").status == 2
    with shell.terminal("tasks", COUNT) as terminal:
        assert terminal.end() == 0
        assert "whole number, 1 to 1000" in terminal.screen


def test_queues_are_shown_once_or_watched(shell: Shell) -> None:
    done = shell.piped("queues")
    assert (done.status, done.err) == (0, "")
    assert re.search(r"^default( +\d+){5} .* 2$", done.out, re.MULTILINE)
    assert len(re.findall(r"/\d+ +default +(?:idle|busy)", done.out)) == 2
    [queue] = shell.piped("queues", "--json").json["queues"]
    assert len(queue["workers"]) == 2
    with shell.terminal("queues", "--watch") as terminal:
        terminal.until("idle")
        terminal.press(b"\x03")
        assert terminal.end() == 130
    with subprocess.Popen(
        shell.command("queues", "--watch", "--json"), env=shell.environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for _ in range(2):
            assert json.loads(process.stdout.readline())["queues"][0]["name"] == "default"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_the_page_is_opened_in_a_browser(shell: Shell, client: Client) -> None:
    browser = shell.home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {shell.home}/opened\n')
    browser.chmod(0o755)
    url = (shell.data / "url").read_text()
    done = shell.piped("open", BROWSER=f"{browser} %s")
    assert (done.status, done.out, done.err) == (0, url, "")
    assert (shell.home / "opened").read_text() == url
    assert shell.piped("open", "--json", BROWSER=f"{browser} %s").json == {"url": url.strip()}
    assert shell.piped("open", "abc", BROWSER=f"{browser} %s").out == f"{url.strip()}#/jobs/abc\n"
    route = (ROOT / "functions/chalicelib/web/static/route.js").read_text()
    assert "jobAddress = (id) => `#/jobs/${encodeURIComponent(id)}`" in route, "the page's address of a job"
    with shell.terminal("open", BROWSER="/nowhere/browser %s", PATH="/nowhere", DISPLAY="") as terminal:
        assert terminal.end() == 0
        assert url.strip() in terminal.screen
        assert "no browser was found" in terminal.screen


def test_a_stub_is_written(shell: Shell) -> None:
    done = shell.piped("client", "--stubs")
    assert (done.status, done.err) == (0, "")
    ast.parse(done.out)
    assert "def __call__(self, /, *, to: int = ..., pause: float = ...) -> Ticket[int]:" in done.out
    with shell.terminal("client", "--stubs", "--output", str(shell.home / "tasks.pyi")) as terminal:
        assert terminal.end() == 0
        assert "written" in terminal.screen
    assert (shell.home / "tasks.pyi").read_text() == done.out
    assert shell.piped("client", "--stubs", "--catalog", str(shell.data / "catalog.json")).out == done.out
    assert shell.piped("client").status == 2
    assert shell.piped("client", "--stubs", "--output", "/nowhere/tasks.pyi").status == 2


def test_bash_completes_commands_options_and_tasks(shell: Shell) -> None:
    done = shell.piped("completion", "bash")
    assert (done.status, done.err) == (0, "")
    (shell.home / "script").write_text(done.out)
    folder = shell.home / "bin"
    folder.mkdir()
    (folder / "coatcheck").write_text(f'#!/bin/sh\nexec {sys.executable} -m infra "$@" --data {shell.data}\n')
    (folder / "coatcheck").chmod(0o755)

    def completed(line: str) -> set[str]:
        words = line.split(" ")
        ask = (
            f"source {shell.home}/script; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1};"
            f' COMP_LINE="{line}"; _shtab_coatcheck 2>/dev/null; printf "%s\\n" "${{COMPREPLY[@]}}"'
        )
        path = f"{folder}:{os.environ['PATH']}"
        said = subprocess.run(
            ["bash", "-c", ask],
            env={**shell.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return set(said.stdout.split())

    assert {"run", "job", "jobs"} <= completed("coatcheck ")
    assert completed("coatcheck ru") == {"run"}
    assert {"--status", "--limit"} <= completed("coatcheck jobs --")
    assert completed("coatcheck run examples.s") == {"examples.short_task"}
    assert completed("coatcheck schedules examples.s") == {"examples.short_task"}
    assert completed("coatcheck schedules --r") == {"--region", "--resume", "--run"}
    assert completed("coatcheck jobs --status fa") == {"failed"}


@pytest.mark.parametrize("shell_name", options.SHELLS)
def test_each_shell_has_a_script(shell_name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["completion", shell_name]) == 0
    script = capsys.readouterr().out
    assert "coatcheck tasks --quiet" in script
    if program := shutil.which(shell_name):
        (tmp_path / "script").write_text(script)
        checked = subprocess.run([program, "-n", str(tmp_path / "script")], capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_the_statuses_are_the_jobs_own() -> None:
    assert list(options.STATUSES) == [status.value for status in JobStatus]


def test_a_token_is_sent_from_the_environment_or_a_file(start: Start, tmp_path: Path) -> None:
    product = start("--workers", "1", COATCHECK_AUTH="tokens")
    shell = Shell(product.data, tmp_path)
    place = ("--target", "local", "--data", str(product.data))
    made = shell.piped("token", "create", "ann", *place).out.strip()
    refused = shell.piped("tasks")
    assert (refused.status, refused.out) == (2, "")
    assert "This needs a token" in refused.err
    assert "takes it from COATCHECK_TOKEN or --token-file" in refused.err
    assert shell.piped("tasks", COATCHECK_TOKEN=made).status == 0
    (tmp_path / "token").write_text(f"{made}\n")
    assert shell.piped("run", "examples.short_task", "--token-file", "token").out == '"Slept 1 second."\n'
    (tmp_path / "empty").touch()
    assert shell.piped("tasks", "--token-file", "empty").status == 2


def test_up_tells_where_it_is_as_long_as_it_runs(start: Start, tmp_path: Path) -> None:
    product = start("--workers", "1")
    assert (product.data / "url").read_text() == product.first_line
    product.signal(signal.SIGTERM)
    assert not (product.data / "url").exists()


def test_what_reads_no_further_ends_a_command_quietly(shell: Shell) -> None:
    command = " ".join(shell.command("tasks", "--json"))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"],
        cwd=ROOT,
        env=shell.environ,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
