"""Keeps ECS from ending a container whose workers are in the middle of a job.

The agent's endpoint: Amazon ECS developer guide, "Task scale-in protection endpoint". Protection holds
against scale-in and deployments, not against a Spot interruption.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable

log = logging.getLogger("coatcheck.pool")

VARIABLE = "ECS_AGENT_URI"
"""Set by ECS in each of its containers."""
MINUTES = 60
"""For how long protection is asked; renewed in half that time while a job runs."""
RETRY_SECONDS = 10.0
"""Pause after a failed call."""
TIMEOUT = 2.0
"""Seconds that the agent, which is on the same host, gets to answer."""


class TaskProtection:
    """Holds protection while ``busy()`` is true; a thread of its own asks the agent.

    Takes the agent's address (the value of ECS_AGENT_URI) and what tells whether a job runs.
    """

    def __init__(self, agent: str, busy: Callable[[], bool]) -> None:
        self._url = f"{agent}/task-protection/v1/state"
        self._busy = busy
        self._changed = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Look again whether a job runs."""
        self._changed.set()

    def close(self) -> None:
        """End the protection: nothing runs any more."""
        self._ended = True
        self._changed.set()
        self._thread.join(2 * TIMEOUT)

    def _run(self) -> None:
        held, renew_at = False, 0.0
        while True:
            wanted = self._busy() and not self._ended
            if wanted != held or (held and time.monotonic() >= renew_at):
                if self._put(wanted):
                    held, renew_at = wanted, time.monotonic() + MINUTES * 30
                elif not self._ended:
                    self._changed.wait(RETRY_SECONDS)
            if self._ended:
                return
            self._changed.wait(max(0.1, renew_at - time.monotonic()) if held else None)
            self._changed.clear()

    def _put(self, protect: bool) -> bool:
        body: dict[str, object] = {"ProtectionEnabled": protect}
        if protect:
            body["ExpiresInMinutes"] = MINUTES
        request = urllib.request.Request(  # noqa: S310 (the address is ECS's own)
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="PUT"
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                failure = json.load(response).get("failure")
        except (OSError, ValueError) as error:
            failure = error
        if failure:
            log.warning("the ECS agent did not change the task's protection: %s", failure)
        return not failure
