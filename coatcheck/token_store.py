"""Where the tokens are kept: a file on a laptop, a secret of AWS Secrets Manager on AWS and LocalStack."""

from __future__ import annotations

import fcntl
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from coatcheck.errors import TokenError
from coatcheck.secret_text import write_private
from coatcheck.secrets_manager import open_client
from coatcheck.tokens import TOKEN, Token, TokenBook

Change = Callable[[TokenBook], TokenBook]

MAX_SECRET = 65_536
"""Bytes that Secrets Manager takes."""
CURRENT, NEW = "AWSCURRENT", "COATCHECK_NEW"
"""Labels of a secret's versions: the one that counts, and the one that shall."""
ATTEMPTS = 8
"""How often a change is tried that other writers overtake."""
PAUSE = 0.05
"""Seconds between two of them."""


class TokenStore(Protocol):
    """Keeps a book of tokens.

    ``keep`` is how many seconds a book that was read counts, ``renew`` how many even if a token is not in it.
    """

    keep: float
    renew: float

    def version(self) -> object:
        """Changes when the book has changed, where that can be told without reading it."""

    def read(self) -> TokenBook:
        """The book. Raises TokenError, botocore's errors."""

    def change(self, change: Change) -> None:
        """Put what ``change`` makes of the book into its place; called again if another writer was faster.

        Raises TokenError, botocore's errors, and what ``change`` raises.
        """


class FileStore:
    """A file that only its owner may read. Takes its path; it need not be there."""

    keep = renew = math.inf  # its version tells when it has changed

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = str(path)

    def version(self) -> object:
        """Which file it is, and when it was written."""
        try:
            status = os.stat(self._place)  # noqa: PTH116 (with each request: the path takes twice as long)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def read(self) -> TokenBook:
        """The book in the file."""
        try:
            return TokenBook.loads(self._path.read_text())
        except FileNotFoundError:
            return TokenBook()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"{self._path} can't be read: {error}") from error

    def change(self, change: Change) -> None:
        """Write the file anew, whole or not at all, one writer after another."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                write_private(self._path, change(self.read()).dumps())
        except OSError as error:
            raise TokenError(f"{self._path} can't be written: {error.strerror}") from error


class SecretStore:
    """A secret of Secrets Manager.

    Takes its ARN, and botocore's client of Secrets Manager or boto3's (default: one made of the environment).
    """

    keep = 20.0  # with API Gateway's 30 s, a revoked token ends within 50 s
    renew = 2.0  # a token that is not known may be new

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or open_client(arn)

    def version(self) -> object:
        """Always the same: it can only be told by reading."""

    def read(self) -> TokenBook:
        """The book in the secret."""
        return self._read()[0]

    def change(self, change: Change) -> None:
        """Write a new version, and make it the current one only if none has come between.

        Secrets Manager takes a label away from a version only if that version still has it: by this, two
        writers at once are told apart.
        """
        for _ in range(ATTEMPTS):
            book, previous = self._read()
            text = change(book).dumps()
            if len(text) > MAX_SECRET:
                raise TokenError(
                    f"the tokens would take {len(text)} bytes, and a secret holds {MAX_SECRET}:"
                    " revoke those that nobody uses"
                )
            if self._replace(text, previous):
                return
            time.sleep(PAUSE)
        raise TokenError("somebody else changes the tokens at this moment; try again")

    def _read(self) -> tuple[TokenBook, str | None]:
        """The book and the id of the version that it is from; None for a secret that has none yet."""
        try:
            answer = self._client.get_secret_value(SecretId=self._arn, VersionStage=CURRENT)
        except self._client.exceptions.ResourceNotFoundException:
            return TokenBook(), None
        return TokenBook.loads(answer["SecretString"]), str(answer["VersionId"])

    def _replace(self, text: str, previous: str | None) -> bool:
        """Whether the text is the current version now; not if another one came after ``previous``."""
        version = str(uuid4())
        self._client.put_secret_value(
            SecretId=self._arn, ClientRequestToken=version, SecretString=text, VersionStages=[NEW]
        )
        if previous is None:
            return self._read()[1] == version  # the first version of all is the current one by itself
        try:
            self._client.update_secret_version_stage(
                SecretId=self._arn,
                VersionStage=CURRENT,
                RemoveFromVersionId=previous,
                MoveToVersionId=version,
            )
        except self._client.exceptions.InvalidParameterException:
            return False
        return True


class TokenCheck:
    """Finds tokens without reading the whole book each time.

    Takes the store, and a clock (seconds) for tests.
    """

    def __init__(self, store: TokenStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._read: TokenBook | None = None
        self._version: object = None
        self._read_at = 0.0

    def find(self, text: str) -> Token | None:
        """What is kept of a token; None if it lets nobody in. Raises TokenError, botocore's errors."""
        if not TOKEN.fullmatch(text):
            return None
        now, store = time.time(), self._store
        return self._book(store.keep).find(text, now) or self._book(store.renew).find(text, now)

    def _book(self, keep: float) -> TokenBook:
        """The book, read less than so many seconds ago."""
        with self._lock:
            version, now = self._store.version(), self._clock()
            if self._read is None or version != self._version or now - self._read_at >= keep:
                self._read, self._version, self._read_at = self._store.read(), version, now
            return self._read


def open_store(place: str) -> TokenStore:
    """The store at a path or an ARN."""
    return SecretStore(place) if place.startswith("arn:") else FileStore(Path(place))
