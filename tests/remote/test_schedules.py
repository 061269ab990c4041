"""``coatcheck schedules``: piped and in a terminal, on a product with periodic tasks."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from infra.remote.screen import when
from tests.infra.product import Product, periodic
from tests.remote.conftest import Shell

__all__ = ["periodic"]

NIGHTLY = "reports.nightly"


@pytest.fixture
def shell(periodic: Product, tmp_path: Path) -> Shell:
    """Calls commands on the product with periodic tasks."""
    return Shell(periodic.data, tmp_path)


def test_periodic_tasks_are_listed(shell: Shell, periodic: Product) -> None:
    done = shell.piped("schedules")
    assert (done.status, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert head.split("  ")[0] == "TASK"
    assert [line.split()[0] for line in lines] == [NIGHTLY, "reports.poll", "reports.trade"]
    coming = when(periodic.ask(f"/schedules/{NIGHTLY}")["next"])
    assert re.search(rf"^{NIGHTLY} +every day at 03:00 +Europe/Berlin +{coming} ", lines[0])
    assert [entry["task"] for entry in shell.piped("schedules", "--json").json["schedules"]] == [
        line.split()[0] for line in lines
    ]
    with shell.terminal("schedules", columns=160) as terminal:
        assert terminal.end() == 0
        assert "every 2 seconds" in terminal.screen


def test_one_is_shown_with_its_times_here_and_in_its_zone(shell: Shell) -> None:
    document = shell.piped("schedules", NIGHTLY, "--json").json
    assert document["task"] == NIGHTLY
    done = shell.piped("schedules", NIGHTLY, TZ="America/New_York")
    assert (done.status, done.err) == (0, "")
    for name, value in (("when", "every day at 03:00"), ("cron", "0 3 * * *"), ("arguments", '{"keep": 30}')):
        assert re.search(rf"^{name} +{re.escape(value)}$", done.out, re.MULTILINE), done.out
    tick = datetime.fromisoformat(document["next"])
    here = tick.astimezone(ZoneInfo("America/New_York")).strftime("%Y-%m-%d %H:%M:%S")
    there = tick.astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m-%d 03:00:00")
    assert re.search(rf"^next +{here} \({there} in Europe/Berlin\)$", done.out, re.MULTILINE), done.out
    same = shell.piped("schedules", NIGHTLY, TZ="Europe/Berlin")
    assert re.search(rf"^next +{there}$", same.out, re.MULTILINE), same.out


def test_one_is_paused_and_resumed(shell: Shell, periodic: Product) -> None:
    done = shell.piped("schedules", NIGHTLY, "--pause")
    assert (done.status, done.out, done.err) == (0, "", f"{NIGHTLY} paused\n")
    assert periodic.ask(f"/schedules/{NIGHTLY}")["paused"] is True
    assert re.search(rf"^{NIGHTLY} .* paused ", shell.piped("schedules").out, re.MULTILINE)
    assert re.search(r"^next +paused$", shell.piped("schedules", NIGHTLY).out, re.MULTILINE)
    with shell.terminal("schedules", NIGHTLY) as terminal:
        assert terminal.end() == 0
        assert b"\x1b[33mpaused" in terminal.raw
    assert shell.piped("schedules", NIGHTLY, "--resume", "--json").json["paused"] is False
    done = shell.piped("schedules", NIGHTLY, "--resume")
    assert (done.status, done.out) == (0, "")
    assert done.err == f"{NIGHTLY} runs next at {when(periodic.ask(f'/schedules/{NIGHTLY}')['next'])}\n"


def test_one_is_run_at_once(shell: Shell, periodic: Product) -> None:
    done = shell.piped("schedules", NIGHTLY, "--run")
    assert (done.status, done.err) == (0, "")
    assert periodic.until(done.out.strip(), "finished")["result"] == 30
    assert shell.piped("schedules", NIGHTLY, "--run", "--json").json["task"] == NIGHTLY


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("reports.once",), "reports.once has no schedule"),
        (("no.such",), "There is no task 'no.such'"),
        (("--run",), "--pause, --resume and --run need the task's name"),
        ((NIGHTLY, "--pause", "--run"), "not allowed with"),
    ],
)
def test_what_can_not_be_done_is_told(shell: Shell, words: tuple[str, ...], told: str) -> None:
    done = shell.piped("schedules", *words)
    assert (done.status, done.out) == (2, "")
    assert told in done.err


def test_without_a_periodic_task_the_list_says_how_to_make_one(product: Product, tmp_path: Path) -> None:
    shell = Shell(product.data, tmp_path)
    done = shell.piped("schedules")
    assert done.status == 0
    assert "@task(cron=...)" in done.err
    assert shell.piped("schedules", "--json").json == {"schedules": []}
