"""What is promised, each promise as a rule of its own that finds whoever it was broken to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.checker import Evidence, Rule
from tests.chaos.history import MISSING, Case
from tests.chaos.journal import Run
from tests.chaos.plan import AT_MOST_ONCE

ROLLED_BACK = 2.0
"""Seconds before a failover whose writes the replica may not have."""
LINE = re.compile(r"<(\S+) (\d+)>")
"""What a task prints: its run, and the number of the line."""
Found = Iterator[tuple[str, str]]


def kept(evidence: Evidence) -> Found:
    """An acknowledged job is never unknown."""
    for case in evidence.cases:
        for before, after in pairwise(case.seen):
            if after.status == MISSING:
                gap = after.answered - before.answered
                yield case.job, f"is not known any more, and was {before.status} {gap:.0f} s before"
                break


def ended(evidence: Evidence) -> Found:
    """Every job ends."""
    for case in evidence.cases:
        if case.last is not None and not case.ended and case.last.status != MISSING:
            yield case.job, f"{case.task} is still {case.last.status}"


def one_job_for_a_request(evidence: Evidence) -> Found:
    """A request that is repeated with its key makes no second job, and none is made without a request."""
    for token, jobs in evidence.history.jobs.items():
        if len(jobs) > 1:
            yield ", ".join(sorted(jobs)), f"are {len(jobs)} jobs for one request ({token})"
    tokens: dict[str, str] = {}
    for case in evidence.cases:
        other = tokens.setdefault(case.token, case.job)
        if other != case.job and len(evidence.history.jobs.get(case.token, ())) <= 1:
            yield case.job, f"has the request of {other}"


def no_run_without_a_job(evidence: Evidence) -> Found:
    """What runs is a job that the API knows."""
    known = {case.token for case in evidence.cases}
    for token in evidence.runs.keys() - known:
        if not all(_rolled_back(evidence, run.began) for run in evidence.runs[token]):
            yield "?", f"{token} was run, and no job is its"


def outcome_has_its_run(evidence: Evidence) -> Found:
    """A result was returned by a run of the job, and so was the error that the task raised."""
    for case in evidence.cases:
        if case.last is None or not case.ended:
            continue
        document = case.last.document
        ways = {run.id: run.how for run in evidence.runs_of(case)}
        if case.last.status == "finished" and ways.get(str(document["result"])) != "returned":
            yield case.job, f"finished with {document['result']!r}, which no run returned: {ways}"
        error = document["error"] or {}
        if error.get("type") == "PlannedError" and ways.get(error["message"]) != "raised":
            yield case.job, f"failed with {error['message']!r}, which no run raised: {ways}"


def no_fenced_write(evidence: Evidence) -> Found:
    """The outcome comes from the worker that held the job last."""
    for case in evidence.cases:
        run = _deciding(case, evidence.runs_of(case))
        holder = _holder(case)
        if run is not None and holder and run.worker != holder:
            yield case.job, f"its outcome is of run {run.id} in worker {run.worker}, but {holder} held it"


def no_stale_log(evidence: Evidence) -> Found:
    """The log has each line of the deciding run once, in order, and none of an older run after a newer's."""
    for case in evidence.cases:
        if case.log is None:
            continue
        runs = {run.id: run for run in evidence.runs_of(case)}
        # A run that is killed may leave a line without its end.
        lines = LINE.findall(case.log)
        if odd := LINE.sub("", case.log).strip():
            yield case.job, f"no run printed {odd!r}"
        owners = [owner for owner, _ in lines if owner in runs]
        changes = [owner for before, owner in pairwise(["", *owners]) if owner != before]
        if len(set(changes)) != len(changes):
            yield case.job, f"lines of its runs are mixed: {changes}"
        elif changes != sorted(changes, key=lambda owner: runs[owner].began):
            yield case.job, "an older run wrote after a newer one"
        if any(
            _rolled_back(evidence, run.last) or _rolled_back(evidence, run.began) for run in runs.values()
        ):
            continue  # pieces of the log may be lost with the primary
        for owner in set(owners):
            numbers = [int(number) for name, number in lines if name == owner]
            if numbers != list(range(len(numbers))):
                yield case.job, f"lines of run {owner} are missing or doubled: {numbers}"
        run = _deciding(case, evidence.runs_of(case))
        silent = case.last is not None and case.last.document.get("arguments", {}).get("silent", False)
        if run is not None and case.task in ("chaos.steps", "chaos.waits", AT_MOST_ONCE) and not silent:
            found = owners.count(run.id)
            if found != run.ticks + 1:
                yield case.job, f"run {run.id} printed {run.ticks + 1} lines, the log has {found} of them"


def at_most_once(evidence: Evidence) -> Found:
    """A task with retries=0 is run once, and once more for each retry that a client asked for."""
    for case in evidence.cases:
        runs, allowed = evidence.runs_of(case), 1 + len(case.retries())
        if case.task == AT_MOST_ONCE and len(runs) > allowed:
            yield case.job, f"was run {len(runs)} times, and {allowed} at most were asked for"


def runs_are_counted(evidence: Evidence) -> Found:
    """No more runs than the job's document tells."""
    for case in evidence.cases:
        if case.last is None or case.last.status == MISSING or case.retries():
            continue
        told = case.last.document["attempt"] + case.last.document["interrupted"]
        runs = [run for run in evidence.runs_of(case) if not _rolled_back(evidence, run.began)]
        if len(runs) > told:
            yield case.job, f"was run {len(runs)} times, but its document tells of {told}"


def ends_are_final(evidence: Evidence) -> Found:
    """Nothing changes a job that is over, but a client's retry."""
    for case in evidence.cases:
        for before, after in pairwise(case.seen):
            if not before.ended or after.status == MISSING or _rolled_back(evidence, before.asked):
                continue
            retries = evidence.reopened(case) if before.status == "canceled" else case.retries()
            if any(ask.asked < after.answered and ask.answered > before.asked for ask in retries):
                continue
            if _outcome(before.document) != _outcome(after.document):
                yield case.job, f"was {_outcome(before.document)}, then {_outcome(after.document)}"


def canceled_never_ran(evidence: Evidence) -> Found:
    """A job that was canceled before its first attempt is not run, and none is after it was canceled."""
    for case in evidence.cases:
        if case.last is None or case.last.status != "canceled" or case.retries():
            continue
        runs = evidence.runs_of(case)
        if runs and case.last.document["attempt"] == 0:
            yield case.job, "was canceled before it ran, and ran"


def stop_is_obeyed(evidence: Evidence) -> Found:
    """A run that a client was promised to be stopped does not go on, and no other one follows it."""
    for case in evidence.cases:
        stops = [
            asked
            for asked in case.asked
            if asked.what == "cancel" and asked.status == 202 and not _rolled_back(evidence, asked.asked)
        ]
        if not stops or case.retries():
            continue
        stop = stops[0]
        known = stop.document["attempt"] + stop.document["interrupted"]
        for number, run in enumerate(evidence.runs_of(case), 1):
            began, last = run.began - stop.answered, run.last - stop.answered
            if began > 0 and number > known:  # the one that was stopped may begin late
                yield case.job, f"run {number} began {began:.1f} s after the stop of run {known} was granted"
            elif last > evidence.grace:
                yield case.job, f"run {number} went on {last:.1f} s after its stop was granted"


def runs_end_with_their_job(evidence: Evidence) -> Found:
    """Once a job is over none of its runs goes on for long, and once a process is killed it is at once."""
    kills = {broken.pid: broken for broken in evidence.faults if broken.kind in ("kill-worker", "kill-horse")}
    for case in evidence.cases:
        over = [seen.answered for seen in case.seen if seen.ended]
        for run in evidence.runs_of(case):
            kill = kills.get(run.worker) or kills.get(run.pid)
            if kill is not None and run.began < kill.began:
                late = run.last - _awake(evidence, run.pid, kill.began)
                if late > 1:
                    yield case.job, f"run {run.id} outlived its killed worker by {late:.1f} s"
            if over and not evidence.reopened(case) and run.last > over[0] + evidence.grace:
                yield case.job, f"run {run.id} went on {run.last - over[0]:.1f} s after the job was over"


def _awake(evidence: Evidence, pid: int, moment: float) -> float:
    """When a process could notice what happened: a work-horse that is stopped notices when it goes on."""
    pauses = (broken for broken in evidence.faults if broken.kind == "pause-horse" and broken.pid == pid)
    return max([moment, *(pause.ended for pause in pauses if pause.began <= moment <= pause.ended)])


def nothing_is_lost_without_a_fault(evidence: Evidence) -> Found:
    """Where nothing was broken no worker is lost, and no job runs twice."""
    if evidence.faults:
        return
    for case in evidence.cases:
        if case.last is not None and case.last.status != MISSING:
            error = case.last.document["error"] or {}
            lost = error.get("type") == "WorkerLost" and case.task != "chaos.exits"
            if lost or case.last.document["interrupted"]:
                yield case.job, f"lost its worker, and nobody had touched it: {error.get('message', '')}"


def in_order(evidence: Evidence) -> Found:
    """No job begins before those that it comes after have ended, and ended as it needs."""
    for case in evidence.cases:
        if not case.seen or not case.after:
            continue
        runs, all_the_same = evidence.runs_of(case), case.seen[0].document.get("if_failed") == "run"
        for before in evidence.before(case):
            theirs = evidence.runs_of(before)
            if not all_the_same:
                returned = [run.ended for run in theirs if run.ended is not None and run.how == "returned"]
                first = min(returned, default=float("inf"))
                if any(run.began < first for run in runs):
                    yield case.job, f"began before {before.job} had finished, which it comes after"
            elif not evidence.reopened(before) and any(
                theirs_too.began > run.began for run in runs for theirs_too in theirs
            ):
                yield case.job, f"began, and {before.job} was still to run, which it comes after"


def shared_fate(evidence: Evidence) -> Found:
    """A job is canceled because of those that it comes after if one of them did not finish, and only then."""
    for case in evidence.cases:
        if case.last is None or case.last.status == MISSING or not case.after:
            continue
        if any(asked.what == "cancel" and asked.status not in (404, 409) for asked in case.asked):
            continue
        before = [other.last.status for other in evidence.before(case) if other.last is not None]
        all_the_same = case.seen[0].document.get("if_failed") == "run"
        in_vain = not all_the_same and any(status != "finished" for status in before)
        error = case.last.document["error"] or {}
        if in_vain != (case.last.status == "canceled") or in_vain != (
            error.get("type") == "DependencyFailed"
        ):
            yield case.job, f"is {case.last.status} ({error.get('type')}), after jobs that are {before}"


def no_wrong_answers(evidence: Evidence) -> Found:
    """No request of ours is refused as wrong, and none meets a defect."""
    for text in evidence.history.wrong:
        yield "?", text


def _rolled_back(evidence: Evidence, moment: float) -> bool:
    """Whether what was written then may be lost by a failover.

    Only a submission, and the begin of a task that may run once, wait for the replica (REDIS_WAIT_REPLICAS).
    """
    return any(
        broken.kind == "fail-over" and broken.began - ROLLED_BACK <= moment <= broken.ended
        for broken in evidence.faults
    )


def doctor_finds_nothing(evidence: Evidence) -> Found:
    """What is left in Redis is consistent."""
    for text in evidence.history.findings:
        yield "?", text


def _deciding(case: Case, runs: list[Run]) -> Run | None:
    """The run that the job's outcome is of, if it is one's."""
    if case.last is None or not case.ended:
        return None
    document = case.last.document
    error = document["error"] or {}
    wanted = document["result"] if case.last.status == "finished" else error.get("message")
    return next((run for run in runs if run.id == wanted), None)


def _holder(case: Case) -> int:
    """The process of the worker that the job's document names: ``host-pid-random``."""
    name = (case.last.document.get("worker") if case.last else None) or ""
    parts = name.split("-")
    return int(parts[-2]) if len(parts) >= 3 and parts[-2].isdigit() else 0


def _outcome(document: dict[str, object]) -> tuple[object, ...]:
    error = document["error"]
    message = error.get("message") if isinstance(error, dict) else None
    return document["status"], document["result"], message, document["ended_at"]


RULES: dict[str, Rule] = {
    "kept": kept,
    "ended": ended,
    "one job for a request": one_job_for_a_request,
    "no run without a job": no_run_without_a_job,
    "outcome has its run": outcome_has_its_run,
    "no fenced write": no_fenced_write,
    "no stale log": no_stale_log,
    "at most once": at_most_once,
    "runs are counted": runs_are_counted,
    "ends are final": ends_are_final,
    "canceled never ran": canceled_never_ran,
    "stop is obeyed": stop_is_obeyed,
    "runs end with their job": runs_end_with_their_job,
    "nothing is lost without a fault": nothing_is_lost_without_a_fault,
    "in order": in_order,
    "shared fate": shared_fate,
    "no wrong answers": no_wrong_answers,
    "doctor finds nothing": doctor_finds_nothing,
}
