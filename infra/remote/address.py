"""Which API a command means, and a client of it."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coatcheck.errors import SettingsError, UnauthorizedError
from infra.errors import StartError

if TYPE_CHECKING:
    from coatcheck.client import Client

FILE = "url"
"""Where ``coatcheck up`` writes its URL, below its folder of data."""
URL = "COATCHECK_URL"
LAPTOP = "http://127.0.0.1:8000/"
IMPATIENT = 3.0
"""Seconds for which a command tries again to reach an API that has not answered yet."""
PATIENT = 300.0
"""The same for one that has: a job that is followed goes on through a failover."""
AUTH_MODE = "AuthMode"
"""The template's parameter that tells how an API knows who calls."""


@dataclass(frozen=True)
class Place:
    """Where an API is. ``session`` is boto3's, whose credentials sign the requests; None: nothing does."""

    url: str
    session: Any = None
    region: str = ""


def find(arguments: Namespace, environ: Mapping[str, str]) -> Place:
    """The API that is meant: by --url, --target, COATCHECK_URL, or that of ``coatcheck up``, in this order.

    Raises CoatcheckError.
    """
    if arguments.url:
        place = Place(arguments.url)
    elif arguments.target:
        return _of_stack(arguments, environ)
    else:
        place = Place(environ.get(URL) or local(arguments.data))
    return _signed(place, arguments, environ) if arguments.iam else place


def local(data: Path) -> str:
    """The URL of ``coatcheck up``, as it wrote it; where it usually is if it wrote none."""
    try:
        return (data / FILE).read_text().strip() or LAPTOP
    except OSError:
        return LAPTOP


def token(arguments: Namespace) -> str | None:
    """The token of --token-file, None: the environment's. Raises StartError."""
    if arguments.token_file is None:
        return None
    try:
        text: str = arguments.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"--token-file {arguments.token_file} can't be read: {error}") from error
    if not text:
        raise StartError(f"--token-file {arguments.token_file} is empty")
    return text


@contextmanager
def open_client(arguments: Namespace) -> Iterator[Client]:
    """A client of the API that is meant. It gives up soon: the URL may be wrong.

    Raises CoatcheckError, which says what to do where the API can't know it.
    """
    from coatcheck.client import Client, ConnectionFailedError

    place = find(arguments, os.environ)
    auth = None
    if place.session is not None:
        from infra.remote.signature import Signature

        auth = Signature(place.session, place.region)
    try:
        with Client(place.url, token=token(arguments), auth=auth, retry_for=IMPATIENT) as client:
            yield client
    except ConnectionFailedError as error:
        raise StartError(f"{error}{_whose(arguments, os.environ)}") from error
    except UnauthorizedError as error:
        raise StartError(f"{error} The command takes it from COATCHECK_TOKEN or --token-file.") from error


def _whose(arguments: Namespace, environ: Mapping[str, str]) -> str:
    """What to say of an address that nobody has given with the command."""
    if arguments.url or arguments.target:
        return ""
    if environ.get(URL):
        return f"; {URL} names this address"
    return f"; 'coatcheck up' runs an API there, --url or {URL} names another"


def _of_stack(arguments: Namespace, environ: Mapping[str, str]) -> Place:
    from infra.deploy.errors import aws_errors
    from infra.deploy.localstack import api_url
    from infra.deploy.stack import Stack
    from infra.deploy.target import open_target

    with aws_errors():
        target = open_target(arguments.target, environ, arguments.region)
        state = Stack(target, arguments.stack).existing()
    url = api_url(target, state)
    if not url:
        raise StartError(f"the stack {arguments.stack} has no URL: its state is {state.status}")
    if target.kind == "aws" and (arguments.iam or state.parameters.get(AUTH_MODE) == "iam"):
        return Place(url, target.session, target.region)
    return Place(url)


def _signed(place: Place, arguments: Namespace, environ: Mapping[str, str]) -> Place:
    try:
        from boto3 import Session
    except ImportError as error:
        raise StartError("--iam needs boto3: pip install boto3") from error
    session = Session(region_name=arguments.region or environ.get("AWS_REGION"))
    if session.get_credentials() is None:
        raise SettingsError("--iam needs AWS credentials, and none were found")
    region = arguments.region or _region_of(place.url) or session.region_name
    if not region:
        raise SettingsError("--iam needs a region: --region eu-west-1, or AWS_REGION")
    return Place(place.url, session, region)


def _region_of(url: str) -> str:
    """The region in the host name of an API Gateway: ``ID.execute-api.REGION.amazonaws.com``."""
    _, found, rest = url.partition(".execute-api.")
    return rest.partition(".")[0] if found else ""
