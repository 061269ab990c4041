"""The ``coatcheck`` command: its arguments, ``catalog`` and ``worker``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coatcheck import __version__
from coatcheck.catalog import Catalog
from infra.catalog import write
from infra.cli import main
from infra.errors import StartError
from tests.support.polling import eventually
from tests.support.processes import ROOT


@pytest.mark.parametrize("command", ["doctor", "up", "worker"])
def test_where_only_the_caller_is_installed_the_rest_says_what_it_lacks(command: str) -> None:
    lacking = "import sys; sys.modules['redis'] = None; from infra.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", lacking, command], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"coatcheck: '{command}' needs the package redis, which is not installed here; "
        "in a clone 'make up' installs all into .venv\n"
    )


def coatcheck(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only module of a package of tasks, to be written by the test."""
    package = tmp_path / "own_tasks"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("COATCHECK_TASKS", "own_tasks")
    return package / "own.py"


def test_the_installed_command_tells_its_version() -> None:
    command = Path(sys.executable).with_name("coatcheck")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout) == (0, f"coatcheck {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["up", "--help"], ["catalog", "--help"], ["worker", "--help"]]
)
def test_help_is_given(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: coatcheck {' '.join(arguments[:-1])}".rstrip())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["up", "--port", "65536"], "'65536' is not a whole number from 0 to 65535"),
        (["up", "--port", "-1"], "--port"),
        (["up", "--workers", "0"], "'0' is not a whole number from 1 to 256"),
        (["catalog", "--check", "a", "--output", "b"], "not allowed with argument"),
    ],
)
def test_wrong_arguments_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_the_catalogue_is_written_to_the_standard_output(tasks: Path) -> None:
    tasks.write_text("print('loud')\ndef double(number: int) -> int:\n    return 2 * number\n")
    done = coatcheck("catalog", "--output", "-")
    assert done.returncode == 0, done.stderr
    assert [task.name for task in Catalog.loads(done.stdout).tasks] == ["own.double"]
    assert "loud" in done.stderr


def test_the_catalogue_is_written_to_a_file_and_checked_there(tasks: Path, tmp_path: Path) -> None:
    file = tmp_path / "made" / "catalog.json"
    tasks.write_text("def double(number: int) -> int:\n    return 2 * number\n")
    assert "is not what the tasks say" in (missing := coatcheck("catalog", "--check", str(file))).stderr
    assert missing.returncode == 1

    done = coatcheck("catalog", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{file}: 1 tasks\n")
    assert [task.name for task in Catalog.load(file).tasks] == ["own.double"]
    assert coatcheck("catalog", "--check", str(file)).returncode == 0

    tasks.write_text("def double(number: float) -> float:\n    return 2 * number\n")
    before = file.read_bytes()
    assert coatcheck("catalog", "--check", str(file)).returncode == 1
    assert file.read_bytes() == before


def test_a_faulty_task_is_told_and_the_file_stays(tasks: Path, tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text("as it was")
    tasks.write_text("def double(number) -> int:\n    return 2 * number\n")
    done = coatcheck("catalog", "--output", str(file))
    assert done.returncode == 2
    assert re.fullmatch(r"coatcheck: \S*own\.py:1: function double, argument number: .+\n", done.stderr)
    assert file.read_text() == "as it was"


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").mkdir()
    with pytest.raises(StartError, match=r"catalog\.json can't be written: Is a directory"):
        write("text", tmp_path / "catalog.json")
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.json"]


@pytest.fixture
def in_the_foreground() -> Iterator[None]:
    """Commands started meanwhile take Ctrl-C, even if the tests run in a shell's background.

    A shell that starts a command with ``&`` lets it ignore SIGINT, and what it starts inherits that (POSIX
    2024, Shell Command Language, 2.11).
    """
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("in_the_foreground")
def test_ctrl_c_ends_the_import_of_the_tasks_too(tasks: Path) -> None:
    tasks.write_text("import pathlib, time\npathlib.Path(__file__ + '.begun').touch()\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "infra", "catalog", "--output", "-"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            eventually(Path(f"{tasks}.begun").exists)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)  # its end: nobody holds the pipe any more
        finally:
            process.kill()
    assert (process.returncode, said) == (130, b"")


def test_workers_run_until_they_are_told_to_stop(redis_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra", "worker"],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": redis_url, "COATCHECK_NAMESPACE": "command", "WORKER_PROCESSES": "1"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stderr = process.stderr
    assert stderr is not None
    eventually(lambda: "serves queue default" in stderr.readline())
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said


def test_workers_without_a_redis_tell_what_is_missing() -> None:
    done = coatcheck("worker", REDIS_URL="")
    assert done.returncode == 78
    assert "REDIS_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr
