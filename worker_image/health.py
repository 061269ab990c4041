"""The container's health check: ``python -m worker_image.health``.

A process that lives may still be cut off or stuck. So this asks Redis whether a worker of this container
beat lately. Exit status 0 when one did, else 1.
"""

from __future__ import annotations

import socket
import sys

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import CoatcheckError
from coatcheck.keys import Keys
from coatcheck.listing import queue_names
from coatcheck.settings import load


def alive() -> bool:
    """Whether a worker of this host beat within the last seconds. Raises CoatcheckError."""
    settings = load()
    keys = Keys(settings.prefix)
    with connect(settings) as client:
        adapter = QueueAdapter(client, settings)
        adapter.ping()
        names = {*queue_names(client, keys), *settings.queues}
        host = socket.gethostname()
        return any(
            worker.hostname == host for queue in adapter.queues(sorted(names)) for worker in queue.workers
        )


def main() -> int:
    """Ask, say why not, and return the process' status."""
    try:
        if alive():
            return 0
        print("no worker of this host has beaten lately", file=sys.stderr)
    except CoatcheckError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
