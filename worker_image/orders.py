"""What a worker is told from outside its loop: by signals, and by RQ's commands, heard in another thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator


class Orders:
    """Set from anywhere, obeyed by the loop. ``wake`` makes the loop look at once."""

    def __init__(self) -> None:
        self.stop = False
        """Take nothing new."""
        self.stop_at: float | None = None
        """When what still runs goes back to its queue, on the monotonic clock."""
        self.wake: Callable[[], None] = lambda: None
        self._ends: deque[tuple[str, bool]] = deque()

    def stop_within(self, seconds: float) -> None:
        """Take nothing new, and give what runs so many seconds."""
        self.stop_at = time.monotonic() + seconds
        self.stop = True
        self.wake()

    def end(self, job_id: str, *, wanted: bool) -> None:
        """End the run of a job; ``wanted``: a client asked for it, else an operator ends its process."""
        self._ends.append((job_id, wanted))
        self.wake()

    def ends(self) -> Iterator[tuple[str, bool]]:
        """The jobs to end, each once."""
        while self._ends:
            yield self._ends.popleft()

    def overdue(self, now: float) -> bool:
        """Whether what runs has had its time."""
        return self.stop_at is not None and now >= self.stop_at
