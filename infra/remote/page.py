"""``coatcheck open``: opens the page, or a job's, in a browser."""

from __future__ import annotations

import os
import webbrowser
from argparse import Namespace
from urllib.parse import quote

from infra.remote import screen
from infra.remote.address import find


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck open``. Returns the exit status, 0 even where there is no browser."""
    url = find(arguments, os.environ).url
    if arguments.id:
        url = f"{url.rstrip('/')}/#/jobs/{quote(arguments.id, safe='')}"
    if arguments.json:
        screen.document({"url": url})
    else:
        print(url, flush=True)
    if not webbrowser.open(url):
        screen.errors().print("no browser was found")
    return 0
