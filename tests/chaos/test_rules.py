"""Each rule finds what it is about, in evidence made by hand: also what no planted bug brings out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import Evidence, judge
from tests.chaos.history import MISSING, Asked, Broken, Case, History, Seen
from tests.chaos.journal import Run
from tests.chaos.rules import RULES

RUN = Run("token", "run-1", pid=11, worker=10, began=1.0, last=2.0, ended=2.0, how="returned")
SECOND = replace(RUN, id="run-2", worker=20, began=3.0, last=4.0, ended=4.0)


def document(status: str, **more: Any) -> dict[str, Any]:
    """What the API says of a job."""
    fields = {"result": None, "error": None, "attempt": 1, "interrupted": 0, "worker": "host-10-abc"}
    return fields | {"status": status, "ended_at": "then", "arguments": {}} | more


FINISHED = document("finished", result="run-1")


def broken(
    *documents: dict[str, Any],
    runs: tuple[Run, ...] = (RUN,),
    asked: tuple[Asked, ...] = (),
    task: str = "chaos.quick",
    token: str = "token",
    log: str = "",
    **history: Any,
) -> set[str]:
    """The rules that are broken where a job was seen like this, once a second from second 5 on."""
    seen = [Seen(5.0 + n, 5.1 + n, text["status"], text) for n, text in enumerate(documents)]
    case = Case("job", "token", task, log=log, seen=seen, asked=list(asked))
    evidence = Evidence(History(cases={"job": case}, **history), {token: list(runs)})
    return {problem.rule for problem in judge(evidence, RULES).problems}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert broken(document("queued"), document("started"), FINISHED, FINISHED) == set()


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("kept", broken(FINISHED, document(MISSING))),
        ("ended", broken(document("started"))),
        ("one job for a request", broken(FINISHED, jobs={"token": {"job", "other"}})),
        ("no run without a job", broken(FINISHED, token="another")),
        ("outcome has its run", broken(document("finished", result="run-9"))),
        ("outcome has its run", broken(FINISHED, runs=(replace(RUN, ended=None, how=""),))),
        ("outcome has its run", broken(FINISHED, runs=())),
        (
            "outcome has its run",
            broken(document("failed", error={"type": "PlannedError", "message": "run-1"})),
        ),
        ("no fenced write", broken(document("finished", result="run-1", worker="host-20-abc", attempt=2))),
        ("at most once", broken(FINISHED, runs=(RUN, SECOND), task="chaos.once")),
        ("runs are counted", broken(FINISHED, runs=(RUN, SECOND))),
        ("ends are final", broken(FINISHED, document("started"), FINISHED)),
        ("ends are final", broken(FINISHED, document("finished", result="run-2"), runs=(RUN, SECOND))),
        ("canceled never ran", broken(document("canceled", attempt=0))),
        (
            "stop is obeyed",
            broken(
                document("finished", result="run-2", attempt=2, worker="host-20-abc"),
                runs=(RUN, SECOND),
                asked=(Asked("cancel", 1.5, 1.6, 202, document("started")),),
            ),
        ),
        ("runs end with their job", broken(FINISHED, runs=(replace(RUN, last=30.0),))),
        (
            "runs end with their job",
            broken(FINISHED, runs=(replace(RUN, last=9.0),), faults=[Broken("kill-worker", 1.5, 1.5, 10)]),
        ),
        ("nothing is lost without a fault", broken(document("finished", result="run-1", interrupted=1))),
        ("no wrong answers", broken(FINISHED, wrong=["GET /: 500"])),
        ("doctor finds nothing", broken(FINISHED, findings=["queued-nowhere"])),
        ("no stale log", broken(FINISHED, log="Traceback of what?\n")),
        ("no stale log", broken(FINISHED, log="<run-1 0>\n<run-1 0>\n")),
        ("no stale log", broken(FINISHED, log="<run-2 0>\n<run-1 0>\n", runs=(RUN, SECOND))),
    ],
)
def test_a_rule_finds_what_it_is_about(rule: str, found: set[str]) -> None:
    assert rule in found


def test_a_stopped_work_horse_ends_when_it_goes_on() -> None:
    kill, pause = Broken("kill-worker", 1.5, 1.5, 10), Broken("pause-horse", 1.2, 4.0, 11)
    assert broken(FINISHED, runs=(replace(RUN, last=4.5, ended=4.5),), faults=[kill, pause]) == set()
    assert broken(FINISHED, runs=(replace(RUN, last=5.5),), faults=[kill, pause]) == {
        "runs end with their job"
    }


def test_a_line_that_a_killed_run_could_not_end_is_no_fault() -> None:
    assert broken(FINISHED, log="<run-0 0><run-1 0>\n") == set()


def test_a_retry_that_a_client_asked_for_may_change_an_end() -> None:
    retry = Asked("retry", 5.2, 5.3, 202, document("queued"))
    failed = document("failed", error={"type": "WorkerLost", "message": ""})
    finished = document("finished", result="run-2", worker="host-20-abc")
    assert broken(failed, finished, runs=(RUN, SECOND), asked=(retry,), faults=[Broken("cut", 0, 1)]) == set()


def linked(first: Case, then: dict[str, Any], *runs: Run, if_failed: str = "cancel") -> set[str]:
    """The rules that are broken where a job comes after another, which was run once, from second 1 to 2."""
    told = then | {"after": ["first"], "if_failed": if_failed}
    second = Case("second", "later", "chaos.quick", log="", seen=[Seen(9.0, 9.1, then["status"], told)])
    history = History(cases={"first": first, "second": second})
    evidence = Evidence(history, {"token": [RUN], "later": list(runs)})
    return {problem.rule for problem in judge(evidence, RULES).problems}


def seen_as(told: dict[str, Any], *asked: Asked) -> Case:
    seen = Seen(5.0, 5.1, told["status"], told)
    return Case("first", "token", "chaos.quick", log="", seen=[seen], asked=list(asked))


def test_a_job_has_its_turn_and_its_fate_from_those_that_it_comes_after() -> None:
    early = replace(SECOND, token="later", began=1.5, ended=1.6)
    late = replace(early, began=2.5, ended=2.6, last=2.6)
    done = document("finished", result="run-2", worker="host-20-abc")
    failed = document("failed", error={"type": "PlannedError", "message": "run-1"})
    vain = document("canceled", attempt=0, error={"type": "DependencyFailed", "message": ""})
    assert linked(seen_as(FINISHED), done, late) == set()
    assert linked(seen_as(FINISHED), done, early) == {"in order"}
    assert "shared fate" in linked(seen_as(FINISHED), vain)
    assert "shared fate" not in linked(seen_as(failed), vain)
    assert "shared fate" in linked(seen_as(failed), done, late)
    assert "shared fate" not in linked(seen_as(failed), done, late, if_failed="run")
    before = replace(late, began=0.5, ended=0.6, last=0.6)
    assert "in order" in linked(seen_as(FINISHED), done, before, if_failed="run")
    retry = Asked("retry", 5.2, 5.3, 202, document("queued"))
    assert "in order" not in linked(seen_as(FINISHED, retry), done, before, if_failed="run")
