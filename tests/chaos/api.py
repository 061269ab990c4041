"""``python -m tests.chaos.api PORT``: the API alone, behind the laptop's server."""

from __future__ import annotations

import logging
import os
import signal
import sys

from coatcheck.settings import load
from infra.api import Api
from worker_image.lifeline import follow_parent


def main() -> None:
    """Serve until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    api = Api(load(), os.environ, "127.0.0.1", int(sys.argv[1]))
    api.start()
    follow_parent()
    print(api.url, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
