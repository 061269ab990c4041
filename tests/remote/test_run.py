"""``coatcheck run``: its exit statuses, what comes on which stream, and Ctrl-C."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from coatcheck.client import Client
from tests.remote.conftest import Shell
from tests.support.polling import eventually

COUNT = ("run", "examples.count_slowly")
PLOT = ("run", "examples.plot_table")
ID = r"[0-9a-z]{36}"
CTRL_C = b"\x03"
FOREVER = ("--to", "1000", "--pause", "1")


def test_a_finished_job_leaves_its_result_its_log_and_0(shell: Shell) -> None:
    done = shell.piped(*COUNT, "--to", "3", "--pause=0")
    assert (done.status, done.out) == (0, "3\n")
    assert re.fullmatch(rf"({ID} \w+\n)?1 of 3\n2 of 3\n3 of 3\n{ID} finished after [0-9.]+ s\n", done.err)


def test_a_failed_job_leaves_its_reason_and_1(shell: Shell) -> None:
    done = shell.piped("run", "examples.task_raises_error")
    assert (done.status, done.out) == (1, "")
    assert re.search(
        rf"^{ID} failed after .* s: ZeroDivisionError: division by zero$", done.err, re.MULTILINE
    )


def test_with_json_the_whole_job_comes_whatever_its_end(shell: Shell) -> None:
    done = shell.piped("run", "--json", "examples.task_raises_error", "--quiet")
    assert (done.status, done.json["status"], done.json["error"]["type"]) == (
        1,
        "failed",
        "ZeroDivisionError",
    )
    assert "1 / 0" in done.json["error"]["traceback"]


def test_detached_it_prints_the_id_and_the_job_goes_on(shell: Shell, client: Client) -> None:
    done = shell.piped(*COUNT, "--pause", "0", "--detach")
    assert (done.status, done.err) == (0, "")
    assert client.ticket(done.out.strip()).result(timeout=60) == 10
    again = shell.piped(
        "run", "--detach", "--json", "examples.count_slowly", "--delay", "1h", "--queue", "default"
    )
    assert again.json["status"] == "scheduled"
    client.ticket(again.json["id"]).cancel()


def test_a_stopped_and_a_canceled_job_leave_3(shell: Shell, client: Client) -> None:
    with subprocess.Popen(
        shell.command(*COUNT, *FOREVER),
        env=shell.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        job = process.stderr.readline().split()[0]
        eventually(lambda: client.ticket(job).status == "started")
        assert shell.piped("job", job, "--cancel").status == 0
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert f"{job} stopped" in err

    held = shell.piped(*COUNT, "--delay", "1h", "--detach").out.strip()
    assert "canceled" in shell.piped("job", held, "--cancel").err
    done = shell.piped("job", held, "--wait")
    assert (done.status, done.out) == (3, "")
    assert f"{held} canceled" in done.err


def test_arguments_come_from_files_and_from_standard_input(shell: Shell) -> None:
    (shell.home / "trip.json").write_text('{"start": {"city": "Köln", "nights": 2}, "travellers": 3}')
    trip = ("run", "examples.plan_trip", "--quiet")
    done = shell.piped(*trip, "@trip.json", "--travellers", "1", "--comfort", "grand")
    assert done.json == {"travellers": 1, "nights": 2, "route": ["Köln"], "leaves": None, "price": 480.0}
    done = shell.piped(*trip, "-", "--leaves=2027-05-01", typed='{"start": {"city": "Ulm"}, "travellers": 2}')
    assert (done.json["route"], done.json["leaves"]) == (["Ulm"], "2027-05-01")
    done = shell.piped(
        *trip,
        *("--start", '{"city": "A"}', "--travellers", "1"),
        *("--further-stops", '{"city": "B"}', "--further_stops", '{"city": "C", "nights": 3}'),
    )
    assert (done.json["route"], done.json["nights"]) == (["A", "B", "C"], 5)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run",), "the following arguments are required: TASK"),
        (("run", "examples.cont_slowly"), "did you mean examples.count_slowly"),
        (("run", "nothing.at_all"), "'coatcheck tasks' lists those that exist"),
        ((*COUNT, "--to", "many"), "argument --to: must be integer"),
        ((*COUNT, "--to", "1001"), "argument --to: must be at most 1000"),
        ((*COUNT, "--steps", "3"), "unrecognized arguments: --steps"),
        ((*COUNT, "--arg", "steps=3"), "argument steps: is not known"),
        ((*COUNT, "--arg", "steps"), "'steps' should be NAME=VALUE"),
        ((*COUNT, "@nothing.json"), "nothing.json can't be read"),
        ((*COUNT, "-"), "- can't be read"),
        ((*COUNT, "--delay", "soon"), "?delay: should be a number of seconds"),
        ((*COUNT, "--target", "moon"), "invalid choice: 'moon'"),
        (("run", "examples.plan_trip", "--travellers", "1"), "are required: --start"),
        (
            ("run", "examples.plan_trip", "--start", "{}", "--travellers", "1"),
            "argument --start/city: is required",
        ),
        (("run", "examples.plan_trip", "--comfort", "plush"), "argument --comfort: invalid choice: 'plush'"),
        ((*PLOT, "--table", "@nothing.csv"), "argument --table: nothing.csv can't be read: No such file"),
        ((*COUNT, "--token-file", "nothing"), "--token-file nothing can't be read"),
        ((*COUNT, "--url", "ftp://a"), "'ftp://a' is not the URL of an API"),
    ],
)
def test_what_is_wrong_is_told_and_leaves_2(shell: Shell, words: tuple[str, ...], told: str) -> None:
    done = shell.piped(*words)
    assert (done.status, done.out) == (2, "")
    assert told in done.err


@pytest.fixture
def table(shell: Shell) -> Path:
    """A table in the folder of the shell."""
    path = shell.home / "sales.csv"
    path.write_text("month,price\nMay,2\nJune,4\n")
    return path


def test_a_file_is_sent_and_that_of_the_result_saved(shell: Shell, table: Path) -> None:
    done = shell.piped(*PLOT, "--table", "@sales.csv", "--output", "plot.svg")
    assert (done.status, done.json["rows"], done.json["plot"]["name"]) == (0, 2, "plot.svg")
    assert "plot.svg: written\n" in done.err
    saved = (shell.home / "plot.svg").read_bytes()
    assert saved.startswith(b"<svg")
    assert len(saved) == done.json["plot"]["size"]
    job = done.err.splitlines()[-1].split()[0]
    (shell.home / "folder").mkdir()
    for output, place in (("folder", "folder/plot.svg"), ("new/", "new/plot.svg"), ("p.svg", "p.svg")):
        again = shell.piped("job", job, "--output", output)
        assert (again.status, again.json["rows"]) == (0, 2)
        assert (shell.home / place).read_bytes() == saved
    assert "can't be written" in shell.piped("job", job, "--output", "nothing/plot.svg").err


def test_without_output_it_is_told_how_to_have_the_file(shell: Shell, table: Path) -> None:
    done = shell.piped(*PLOT, "--table=@sales.csv")
    assert re.search(rf"^'coatcheck job {ID} --output PATH' saves plot\.svg \(", done.err, re.MULTILINE)
    quiet = shell.piped(*PLOT, "--table=@sales.csv", "--quiet")
    assert (quiet.json["rows"], quiet.err) == (2, "")


def test_a_result_without_files_is_saved_as_json(shell: Shell) -> None:
    done = shell.piped(*COUNT, "--to", "2", "--pause", "0", "--output", "count.json")
    assert (done.status, done.out) == (0, "")
    assert (shell.home / "count.json").read_text() == "2\n"
    held = shell.piped(*COUNT, "--delay", "1h", "--detach").out.strip()
    assert "with --wait its result is saved" in shell.piped("job", held, "--output", "x").err
    shell.piped("job", held, "--cancel")
    assert shell.piped("job", held, "--output", "x").status == 3


def test_a_terminal_shows_how_far_a_file_is(shell: Shell) -> None:
    with (shell.home / "large.csv").open("w") as file:
        file.write("month,price\n" + "May,2\n" * 1_600_000)
    with shell.terminal(*PLOT, "--table", f"@{file.name}") as terminal:
        assert re.search(r"sending large\.csv .*━.* (bytes|MB)", terminal.until("sending large.csv"))
        assert terminal.end(60) == 0
        assert "sending" not in terminal.screen, "the bar is gone at the end"


def test_its_help_tells_the_tasks_own_options(shell: Shell) -> None:
    done = shell.piped(*COUNT, "--help", COLUMNS="110")
    assert (done.status, done.err) == (0, "")
    said = " ".join(done.out.split())
    assert "--to TO The last number. (whole number, 1 to 1000; default: 10)" in said
    assert "--pause PAUSE Seconds between two numbers. (number, 0 to 60; default: 0.5)" in said
    assert "Counts aloud" in said
    assert "coatcheck run [options] TASK" in shell.piped("run", "--help").out


def test_ctrl_c_asks_the_job_to_stop(shell: Shell, client: Client) -> None:
    with shell.terminal(*COUNT, *FOREVER, piped=True) as terminal:
        screen = terminal.until("1 of 1000")
        job = re.search(ID, screen)
        assert job
        terminal.press(CTRL_C)
        terminal.until("asking the job to stop")
        assert terminal.end() == 130
        assert terminal.output() == ""
        assert f"{job[0]} stopped" in terminal.screen
    assert client.ticket(job[0]).status == "stopped"


def test_ctrl_c_cancels_what_waits_at_once(shell: Shell, client: Client) -> None:
    with shell.terminal(*COUNT, "--delay", "1h") as terminal:
        job = re.search(ID, terminal.until("scheduled"))
        assert job
        terminal.press(CTRL_C)
        assert terminal.end(30) == 130
        assert f"{job[0]} canceled" in terminal.screen
    assert client.ticket(job[0]).status == "canceled"


def test_a_second_ctrl_c_leaves_at_once(shell: Shell, stubborn: str) -> None:
    with shell.terminal("run", "--url", stubborn, "a.b") as terminal:
        terminal.until("started")
        terminal.press(CTRL_C)
        terminal.until("asking the job to stop")
        assert terminal.process.poll() is None
        terminal.press(CTRL_C)
        assert terminal.end() == 130
        assert "stopped" not in terminal.screen


def test_a_terminal_shows_a_bar_and_what_the_job_prints(shell: Shell, client: Client) -> None:
    with shell.terminal(*COUNT, *FOREVER) as terminal:
        screen = terminal.until("counted to")
        assert re.search(r"counted to \d+ .*━.* \d+% ", screen)
        job = re.search(ID, screen)
        assert job
        client.ticket(job[0]).cancel()
        assert terminal.end() == 3
        assert b"\x1b[3" in terminal.raw
        lines = [line for line in terminal.screen.splitlines() if " of 1000" in line]
        assert lines == [f"{number} of 1000" for number in range(1, len(lines) + 1)]
        assert "━" not in terminal.screen, "the bar is gone at the end"


def test_no_color_leaves_the_colours_out(shell: Shell) -> None:
    with shell.terminal(*COUNT, "--to", "2", "--pause", "0.5", NO_COLOR="1") as terminal:
        assert terminal.end() == 0
        assert not re.search(rb"\x1b\[[0-9;]*3[0-9]", terminal.raw)


def test_the_result_can_be_piped_while_the_terminal_shows_the_rest(shell: Shell) -> None:
    with shell.terminal(*COUNT, "--to", "2", "--pause", "0", piped=True) as terminal:
        assert terminal.end() == 0
        assert json.loads(terminal.output()) == 2
        assert "2 of 2" in terminal.screen


def test_where_nothing_answers_the_command_says_so(shell: Shell, tmp_path: Path) -> None:
    done = shell.piped("tasks", "--url", "http://127.0.0.1:9")
    assert (done.status, done.out) == (2, "")
    assert "no answer from http://127.0.0.1:9" in done.err
    assert "names" not in done.err
    done = shell.piped("tasks", COATCHECK_URL="http://127.0.0.1:9")
    assert done.err.endswith("; COATCHECK_URL names this address\n")
    (tmp_path / "url").write_text("http://127.0.0.1:9/")
    done = shell.piped("tasks", "--data", str(tmp_path))
    assert "; 'coatcheck up' runs an API there, --url or COATCHECK_URL names another" in done.err
