"""What a work-horse asks its worker, and waits for the answer: a JSON document on a line each, both ways.

Threads of its own write and read, since a task's time-out interrupts its main thread wherever it is: half a
line would make the rest of what is told unreadable.
"""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import Future
from itertools import count
from queue import SimpleQueue
from typing import Any

from worker_image.reporter import Channel


class Questions:
    """Takes the channel to the worker, and the file descriptor on which it answers."""

    def __init__(self, channel: Channel, answers: int) -> None:
        self._channel = channel
        self._answers = answers
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._outgoing: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._started = False

    def ask(self, run: str, **question: Any) -> dict[str, Any]:
        """Ask on behalf of a run, and wait for the answer. Safe from any thread of the work-horse.

        Raises RuntimeError: this is another process, which can't know the answer.
        """
        if os.getpid() != self._process:
            raise RuntimeError("a process that a task has started can't submit jobs: the task itself can")
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = answer
            if not self._started:
                for work in (self._write, self._read):
                    threading.Thread(target=work, daemon=True).start()
                self._started = True
        try:
            self._outgoing.put({"run": run, "number": number, **question})
            return answer.result()
        finally:
            del self._waiting[number]

    def _write(self) -> None:
        while True:
            self._channel.send(**self._outgoing.get())

    def _read(self) -> None:
        with os.fdopen(self._answers, "rb") as lines:
            for line in lines:
                told = json.loads(line)
                answer = self._waiting.get(told["number"])
                if answer is not None:  # else its task was interrupted meanwhile
                    answer.set_result(told)
