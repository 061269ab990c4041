"""Bugs planted in a copy of the product. The judge must find each of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ROOT

PACKAGES = ("coatcheck", "functions", "worker_image", "infra", "tests")


@dataclass(frozen=True)
class Edit:
    """A text of a file, which must be there, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """One bug: its edits, the scenario that brings it out, and the rules of which one must be broken.

    ``patience``: seconds in which some job must end, until all have.
    """

    name: str
    scenario: str
    rules: frozenset[str]
    edits: tuple[Edit, ...]
    patience: float = 6.0


def plant(edits: tuple[Edit, ...], folder: Path) -> Path:
    """Copy the product to a folder, with the edits made. Raises ValueError: a text is not there."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    for edit in edits:
        path = folder / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.file} has {text.count(edit.old)} times the text: {edit.old}")
        path.write_text(text.replace(edit.old, edit.new))
    return folder


ENDED = frozenset({"ended", "kept"})

BUGS = (
    Bug(
        "nobody asks for the lease",
        "a late worker",
        frozenset({"no fenced write", "ends are final"}),
        (
            Edit(
                "coatcheck/lua/renew.lua",
                "if not redis.call('ZSCORE', KEYS[2], member) or",
                "if",
            ),
            Edit(
                "coatcheck/lua/finish.lua",
                "if redis.call('ZREM', KEYS[2], member) == 0 then",
                "redis.call('ZREM', KEYS[2], member)\nif false then",
            ),
        ),
    ),
    Bug(
        "all runs have the same fencing token",
        "a late worker",
        frozenset({"no fenced write", "ends are final"}),
        (Edit("worker_image/delivery.py", "secrets.token_hex(8)", '"0" * 16'),),
    ),
    Bug(
        "a lost worker keeps its lease",
        "a late worker",
        frozenset({"no fenced write", "ends are final"}),
        (
            Edit("coatcheck/lua/sweep.lua", "  redis.call('ZREM', KEYS[1], member)\n", ""),
            Edit("coatcheck/lua/sweep.lua", "release(id, execution, queue, default(job[4], ''))", ""),
        ),
    ),
    Bug(
        "the lease is never renewed",
        "nothing is broken",
        frozenset({"nothing is lost without a fault"}),
        (
            Edit(
                "coatcheck/lua/renew.lua",
                "redis.call('ZADD', KEYS[2], string.format('%.6f', now + lease), member)",
                "",
            ),
        ),
    ),
    Bug(
        "a worker goes on after it lost its lease",
        "a late worker, at most once",
        frozenset({"runs end with their job"}),
        (
            Edit(
                "worker_image/runs.py",
                'if answer != "ok":\n                self._withdraw(',
                'if answer == "stop":\n                self._withdraw(',
            ),
        ),
    ),
    Bug(
        "a taken job is on no list",
        "cut connections",
        ENDED,
        (
            Edit(
                "worker_image/worker.py",
                'return self.connection.blmove(source, target, seconds, "LEFT", "RIGHT")',
                "return (self.connection.blpop([source], seconds) or (None, None))[1]",
            ),
            # Each job is taken from the queue, not begun in the step that ends the one before.
            Edit(
                "worker_image/runs.py",
                "return Following(run, tuple(new_execution() for _ in range(ahead)))",
                "return NOTHING",
            ),
            Edit(
                "coatcheck/lua/begin.lua",
                "if redis.call('LREM', KEYS[2], 1, id) == 0 then return {} end",
                "",
            ),
        ),
        12.0,  # longer than a taken job waits to be put back
    ),
    Bug(
        "the log takes a repeated piece twice",
        "cut connections",
        frozenset({"no stale log"}),
        (
            Edit(
                "coatcheck/lua/parts/printed.lua",
                "if tonumber(number) > tonumber(default(redis.call('HGET', run, 'pieces'), '0')) then",
                "if text ~= '' then",
            ),
        ),
    ),
    Bug(
        "the answer comes before the job is written",
        "a killed API",
        ENDED,
        (
            Edit(
                "coatcheck/adapter.py",
                "            answer = self._scripts.run(script, keys, *args, durable=True)\n",
                "            import threading\n"
                "            from datetime import UTC, datetime\n\n"
                "            later = lambda: self._scripts.run(script, keys, *args)\n"
                "            threading.Timer(0.3, later).start()\n"
                "            answer = [b'new', datetime.now(UTC).isoformat().encode()]\n",
            ),
        ),
    ),
    Bug(
        "the hash and the queue are written in two transactions",
        "a killed API",
        ENDED,
        (
            Edit(
                "coatcheck/lua/parts/new.lua",
                "  show_as(id, queue, 'queued', owner)\n  push(id, queue, false)\n",
                "  show_as(id, queue, 'queued', owner)\n",
            ),
            Edit(
                "coatcheck/adapter.py",
                '        if answer[0] == b"mismatch":\n',
                "        import threading\n\n"
                "        def push():\n"
                "            for job in submissions:\n"
                "                self._redis.rpush(self._keys.queue(job.queue), job.id)\n\n"
                "        threading.Timer(0.3, push).start()\n"
                '        if answer[0] == b"mismatch":\n',
            ),
        ),
    ),
    Bug(
        "a task that may run once is run again",
        "killed workers",
        frozenset({"at most once"}),
        (
            Edit(
                "coatcheck/lua/sweep.lua",
                "local once, poisonous = job[5] == '1', lost >= tonumber(ARGV[2])",
                "local once, poisonous = false, lost >= tonumber(ARGV[2])",
            ),
        ),
    ),
    Bug(
        "nobody looks for lost workers",
        "killed workers",
        ENDED,
        (
            Edit(
                "worker_image/janitor.py",
                "return sweep(self._scripts, self._keys.leases, self._keys.swept, self._lease)",
                "return []",
            ),
        ),
    ),
    Bug(
        "a work-horse outlives its worker",
        "killed workers",
        frozenset({"runs end with their job"}),
        (
            Edit(
                "worker_image/horse.py",
                "    while os.read(lifeline, 1):\n        pass\n    end_process()",
                "    import time\n\n    while True:\n        time.sleep(1)",
            ),
        ),
    ),
    Bug(
        "a due job leaves the schedule for nowhere",
        "nothing is broken",
        ENDED,
        (Edit("coatcheck/lua/promote.lua", "    enqueue(id, queue, false)\n", ""),),
    ),
    Bug(
        "an attempt that failed is not followed by the next",
        "nothing is broken",
        ENDED,
        (
            Edit(
                "coatcheck/lua/finish.lua",
                "    enqueue(id, queue, false)\n    return 'queued'",
                "    return 'queued'",
            ),
        ),
    ),
    Bug(
        "the result is written after the status",
        "nothing is broken",
        frozenset({"ends are final"}),
        (
            Edit(
                "coatcheck/lua/finish.lua",
                "append(KEYS[3], 'MAXLEN', 10, '*', 'type', '1', unpack(record))",
                "",
            ),
            Edit(
                "worker_image/delivery.py",
                "        return end.ending.ended(self._outbox.answer())\n",
                "        answer = self._outbox.answer()\n"
                "        if end.ending.kind == 'finished':\n"
                "            import time\n\n"
                "            from coatcheck.codec import encode_result\n\n"
                "            time.sleep(0.3)\n"
                "            record = {'type': '1', 'return_value': encode_result(end.ending.result)}\n"
                "            self._scripts._client.xadd(self._keys.results(end.ending.job_id), record)\n"
                "        return end.ending.ended(answer)\n",
            ),
        ),
    ),
    Bug(
        "the idempotency key is ignored",
        "nothing is broken",
        frozenset({"one job for a request"}),
        (Edit("coatcheck/adapter.py", 'fingerprint if idempotency_key is not None else ""', '""'),),
    ),
    Bug(
        "a stop is granted and forgotten",
        "nothing is broken",
        frozenset({"stop is obeyed"}),
        (
            Edit(
                "coatcheck/lua/cancel.lua",
                "redis.call('HSET', name, 'stop_requested', '1', 'cancel_token', token)",
                "",
            ),
            Edit(
                "coatcheck/lua/cancel.lua",
                "redis.call('PUBLISH', key('pubsub', default(job[3], '')), "
                "cjson.encode({command = 'stop-job', job_id = id}))",
                "",
            ),
        ),
    ),
    Bug(
        "a job waits for one of those that it comes after, not for all",
        "graphs",
        frozenset({"in order"}),
        (Edit("coatcheck/lua/parts/settling.lua", "        answer = 'wait'\n", ""),),
    ),
    Bug(
        "what was canceled because of a job does not come back with it",
        "graphs",
        frozenset({"shared fate"}),
        (
            Edit(
                "coatcheck/lua/parts/settling.lua",
                "      if may == 'never' then\n        let_go",
                "      if true then\n        let_go",
            ),
        ),
    ),
    Bug(
        "a retry is granted and not queued",
        "nothing is broken",
        ENDED,
        (
            Edit(
                "coatcheck/lua/retry.lua",
                "enqueue(id, queue, false)",
                "redis.call('HSET', KEYS[1], 'status', 'queued')",
            ),
        ),
    ),
)
