"""Keeps ends of jobs in files while Redis is away, so that they outlive their worker.

A worker holds the lock of its file for as long as it tries to deliver it. When the worker dies the kernel
lets go of the lock, and any pool of the same user, host and Redis delivers the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from coatcheck.settings import Settings
from worker_image.ending import Ending

log = logging.getLogger("coatcheck.worker")

SUFFIX = ".json"
MIB = 1024 * 1024


class KeptEnding:
    """One file, locked. Raises OSError: it can't be written."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        unfinished = path.with_name(f".{path.name}")
        self._file = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            with open(self._file, "w", closefd=False) as stream:
                stream.write(text)
            unfinished.rename(path)
        except BaseException:
            self.leave()
            unfinished.unlink(missing_ok=True)
            raise

    def leave(self) -> None:
        """Let a pool deliver it."""
        os.close(self._file)

    def drop(self) -> None:
        """It is delivered."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


class Spool:
    """The files of one Redis and namespace on this host, in a folder that only their user can read."""

    def __init__(self, settings: Settings) -> None:
        name = hashlib.sha256(f"{settings.redis_url} {settings.prefix}".encode()).hexdigest()[:16]
        self.folder = Path(tempfile.gettempdir(), f"coatcheck-{os.getuid()}-{name}-ends")
        self._limit = settings.worker_spool_limit * MIB

    def keep(self, ending: Ending) -> KeptEnding | None:
        """Keep the end in a file.

        Where it does not fit, only that its result is lost is kept, if the task may not run again; else
        nothing (None): the lease will end, and the job runs again. None too when no file can be written.
        """
        try:
            try:
                return self._written(ending)
            except FileNotFoundError:  # a pool has just ended, and has taken the empty folder with it
                return self._written(ending)
        except OSError as error:
            log.warning("job %s: its end can't be kept in %s: %s", ending.job_id, self.folder, error)
            return None

    def orphans(self) -> Generator[Ending]:
        """The ends whose workers are gone; each file is removed once the block that took it is left well."""
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                try:
                    ending = Ending.loads(file.read())
                except (ValueError, TypeError, KeyError) as error:
                    log.warning("%s can't be read (%s) and is removed", path, error)
                else:
                    yield ending
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder if nothing is in it. Other pools go on: they make it anew when they need it."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _written(self, ending: Ending) -> KeptEnding | None:
        self._make_folder()
        text = self._fitting(ending)
        path = self.folder / f"{ending.job_id}-{ending.execution}{SUFFIX}"
        return None if text is None else KeptEnding(path, text)

    def _fitting(self, ending: Ending) -> str | None:
        text = ending.dumps()
        used = sum(map(_size, self.folder.glob(f"*{SUFFIX}")))
        if used + len(text) <= self._limit:
            return text
        log.error(
            "job %s: its end (%d bytes) does not fit into WORKER_SPOOL_LIMIT, %d MiB, beside %d bytes",
            ending.job_id,
            len(text),
            self._limit // MIB,
            used,
        )
        return ending.without_result.dumps() if ending.at_most_once else None

    def _make_folder(self) -> None:
        """Raises PermissionError: somebody else has made the folder, whose name can be foretold."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        found = self.folder.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{self.folder} is not this user's alone")


def _size(path: Path) -> int:
    """The bytes of a file; none when it has been delivered in this moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
