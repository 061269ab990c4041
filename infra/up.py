"""``coatcheck up``: everything on this machine, in the foreground, until Ctrl-C."""

from __future__ import annotations

import fcntl
import logging
import os
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from coatcheck.connection import connect
from coatcheck.log_lines import JSONFormatter
from coatcheck.settings import Settings, load
from infra import catalog
from infra.api import Api
from infra.callbacks import command as callbacks
from infra.embedded import EmbeddedRedis
from infra.errors import StartError
from infra.merged_log import MergedLog
from infra.remote.address import FILE as URL_FILE
from infra.stopping import StopRequested, StopSignals
from infra.tokens.command import local_place
from infra.workers import Workers

TICK = 0.1
"""Seconds between two looks at signals and workers."""
REDIS_CHECK = 1.0
"""Seconds between two looks at the Redis server."""
STOP_TIMEOUT = "2"
"""Seconds that running jobs get here after Ctrl-C, unless WORKER_STOP_TIMEOUT is set."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck up``. Returns the exit status.

    Raises CoatcheckError when something can't be started; what was started has ended then.
    """
    as_json = os.environ.get("LOG_FORMAT") == "json"
    log = MergedLog(sys.stderr, as_json)
    handler = log.handler("api")
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
    if as_json:
        # The app writes a line for each request then, which knows more than the server's.
        handler.setFormatter(JSONFormatter())
        logging.getLogger("coatcheck.api").setLevel(logging.WARNING)
    if arguments.verbose:
        logging.getLogger("coatcheck").setLevel(logging.DEBUG)
    with StopSignals() as signals, ExitStack() as stack:
        try:
            _serve(arguments, log, signals, stack)
        except StopRequested:
            log.write("up", "stopping; running jobs go back to their queue, Ctrl-C again ends them at once")
    log.write("up", "stopped")
    return 0


def _serve(arguments: Namespace, log: MergedLog, signals: StopSignals, stack: ExitStack) -> None:
    """Start everything, with its end on the stack, and keep it going until a signal comes."""
    stack.enter_context(_only_one(arguments.data))
    server = None if os.environ.get("REDIS_URL") else EmbeddedRedis(arguments.data)
    environ = {**os.environ, "COATCHECK_CATALOG": str(arguments.data.absolute() / "catalog.json")}
    environ["WORKER_STOP_TIMEOUT"] = os.environ.get("WORKER_STOP_TIMEOUT") or STOP_TIMEOUT
    if arguments.workers is not None:
        environ["WORKER_PROCESSES"] = str(arguments.workers)
    if server:
        environ["REDIS_URL"] = server.url
    environ["COATCHECK_TOKENS"] = str(local_place(arguments.data, os.environ))
    secret = callbacks.local_place(arguments.data, os.environ)
    callbacks.provide(secret)
    environ["COATCHECK_CALLBACK_SECRET"] = str(secret)
    environ["COATCHECK_FILES"] = os.environ.get("COATCHECK_FILES") or _files(arguments.data)
    settings = load(environ)
    if settings.auth == "iam":
        raise StartError("COATCHECK_AUTH=iam needs API Gateway; on this machine it can be none or tokens")

    catalog.write(catalog.build(environ, signals.check), Path(environ["COATCHECK_CATALOG"]))
    if server:
        stack.callback(server.stop)
        server.start(signals.check)
    workers = Workers(environ, log, settings.worker_stop_timeout)
    stack.callback(workers.wait, signals)
    api = Api(settings, environ, arguments.host, arguments.port)
    stack.callback(api.drain)
    stack.callback(workers.terminate)
    stack.callback(api.close)
    signals.check()

    api.start()
    stack.callback(api.begin_sweeping().set)
    stack.enter_context(_told(api.url, arguments.data / URL_FILE))
    print(api.url, flush=True)
    if server:
        found = "found running" if server.reused else "started"
        log.write("redis", f"{server.version} {found}; its data is in {arguments.data}")
    else:
        _try(connect(settings), log)
    log.write("up", _who_may_call(settings, arguments))
    log.write("up", f"ready at {api.url} (Ctrl-C stops)")
    due = time.monotonic() + REDIS_CHECK
    while True:
        workers.keep()
        if server and time.monotonic() > due:
            _keep(server, log, signals)
            due = time.monotonic() + REDIS_CHECK
        signals.check()
        time.sleep(TICK)


def _files(data: Path) -> str:
    """Where files are kept, unless the setting names a place."""
    return (data / "files").absolute().as_uri()


def _who_may_call(settings: Settings, arguments: Namespace) -> str:
    if settings.auth == "tokens":
        place = "" if arguments.data == Path(".coatcheck") else f" --data {shlex.quote(str(arguments.data))}"
        return f"authentication is on; to make a token: coatcheck token create NAME --target local{place}"
    reached = "" if arguments.host in LOOPBACK else f", listening on {arguments.host}"
    return (
        f"authentication is off{reached}: whoever reaches this machine can submit jobs"
        " (COATCHECK_AUTH=tokens turns it on)"
    )


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder: two servers on one append-only file would ruin it. Raises StartError."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data / "up.lock").open("a+")
    except OSError as error:
        raise StartError(f"{data} can't be used for the data: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartError(
                f"'coatcheck up' runs already with the data in {data} (process {lock.read().strip()});"
                " stop it, or choose another folder with --data"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def _told(url: str, file: Path) -> Iterator[None]:
    """Tell the other commands of this machine where the API is, as long as it runs."""
    file.write_text(f"{url}\n")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _keep(server: EmbeddedRedis, log: MergedLog, signals: StopSignals) -> None:
    """Start the server again when it has ended."""
    if server.running():
        return
    log.write("redis", "ended; starting it again")
    try:
        server.start(signals.check)
    except StartError as error:
        log.write("redis", str(error))
    else:
        log.write("redis", "runs again")


def _try(client: redis.Redis, log: MergedLog) -> None:
    """Tell whether the server of REDIS_URL answers; all parts wait for it anyway."""
    try:
        client.ping()
    except redis.RedisError as error:
        log.write("redis", f"REDIS_URL can't be reached: {str(error).rstrip('.')}; waiting for it")
    finally:
        client.close()
