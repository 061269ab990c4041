"""Signed jobs: an HMAC over all that decides what a job runs and for whom, with keys that Redis never sees.

With keys, each job is signed as it is submitted and checked before it is run: whoever can write to Redis, but
has no key, can neither make a job nor change one. What a signature can't hold is what changes in a job's
life: its status, results, logs. Whoever can write to Redis can still drop a job, or run it again.

Keys stand one on a line. The first one signs, all of them check. Who checks learns of a new key at once, who
signs within REFRESH seconds. So a key is replaced by writing the new one in front of it, and dropping the old
one when its last job is over.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from coatcheck.errors import SecretError
from coatcheck.secret_text import read_secret
from coatcheck.settings import Settings

SIGNED = (
    "origin",
    "data",
    "timeout",
    "result_ttl",
    "failure_ttl",
    "at_most_once",
    "retries",
    "retry_intervals",
    "owner",
    "callback",
    "dependency_ids",
    "allow_dependency_failures",
    "parent",
)
"""The fields of a job's hash that its signature is about, those that it has; and the job's id."""
SIGNATURE = re.compile(rb"v1:([0-9a-f]{16}):([0-9a-f]{64})")
SHORTEST_KEY = 32
REFRESH = 30.0
"""Seconds after which keys are read again."""
RETRY = 1.0
"""Seconds between two readings for signatures by keys that are not known: a job waits for the next one."""
PAUSE = 300.0
"""Seconds without a try after keys could not be read."""

log = logging.getLogger("coatcheck.signing")


class BadSignatureError(Exception):
    """A job is not what was submitted, or was never submitted; the message says which."""


@dataclass(frozen=True)
class SigningKey:
    """One key: any text of at least SHORTEST_KEY characters."""

    secret: bytes

    @cached_property
    def id(self) -> str:
        """What a signature names its key by: tells nothing about it."""
        return hashlib.sha256(b"coatcheck key id " + self.secret).hexdigest()[:16]

    def mac(self, message: bytes) -> str:
        """HMAC-SHA256 (RFC 2104), in hexadecimal."""
        return hmac.digest(self.secret, message, "sha256").hex()


def parse_keys(text: str) -> tuple[SigningKey, ...]:
    """The keys of a text with one on each line, the one that signs first. Raises SecretError."""
    keys = tuple(SigningKey(line.encode()) for line in text.split())
    if not keys:
        raise SecretError("there is no key to sign jobs with")
    if any(len(key.secret) < SHORTEST_KEY for key in keys):
        raise SecretError(f"a key to sign jobs with has less than {SHORTEST_KEY} characters")
    return keys


def message_of(job_id: str, fields: Mapping[str, bytes]) -> bytes:
    """What is signed: the id, then each field by name, as netstrings, so that no two jobs have the same."""
    parts = [job_id.encode()]
    for name in SIGNED:
        if name in fields:
            parts += (name.encode(), fields[name])
    return b"coatcheck job v1," + b"".join(b"%d:%s," % (len(part), part) for part in parts)


class Signatures:
    """Signs jobs and checks their signatures.

    Takes what reads the keys, whether jobs without a signature pass too, and for tests a clock (seconds).
    Raises SecretError: there are no keys.
    """

    def __init__(
        self,
        read: Callable[[], str],
        *,
        unsigned: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read, self._unsigned, self._clock, self._sleep = read, unsigned, clock, sleep
        self._lock = threading.Lock()
        self._keys = parse_keys(read())
        self._read_at = clock()

    @classmethod
    def of(cls, settings: Settings) -> Signatures | None:
        """Those of the settings, None where jobs are not signed. Raises SecretError."""
        if not settings.signing_keys:
            return None
        return cls(lambda: read_secret(settings.signing_keys), unsigned=settings.unsigned_jobs == "run")

    def sign(self, job_id: str, fields: Mapping[str, str], data: bytes) -> str:
        """The signature of a job that is submitted. Takes the fields of its hash, and its ``data``."""
        known = {name: fields[name].encode() for name in SIGNED if name in fields}
        key = self._current()[0]
        return f"v1:{key.id}:{key.mac(message_of(job_id, known | {'data': data}))}"

    def check(self, job_id: str, fields: Mapping[bytes, bytes]) -> None:
        """Check a job before it is run. Takes its hash. Raises BadSignatureError."""
        signature = fields.get(b"signature")
        if signature is None:
            if self._unsigned:
                return
            raise BadSignatureError("it is not signed")
        match = SIGNATURE.fullmatch(signature)
        if match is None:
            raise BadSignatureError("its signature is malformed")
        name = match[1].decode()
        key = self._find(name, self._current()) or self._find(name, self._newest())
        if key is None:
            raise BadSignatureError("it is signed with a key that is not known")
        known = {name: fields[name.encode()] for name in SIGNED if name.encode() in fields}
        if not hmac.compare_digest(key.mac(message_of(job_id, known)), match[2].decode()):
            raise BadSignatureError("it is not what was signed")

    @staticmethod
    def _find(name: str, keys: tuple[SigningKey, ...]) -> SigningKey | None:
        return next((key for key in keys if key.id == name), None)

    def _current(self) -> tuple[SigningKey, ...]:
        """The keys, read less than REFRESH seconds ago, or longer where they can't be read."""
        with self._lock:
            if self._clock() >= self._read_at + REFRESH:
                self._read_again()
            return self._keys

    def _newest(self) -> tuple[SigningKey, ...]:
        """The keys, read now; but no more often than each RETRY seconds."""
        with self._lock:
            self._sleep(min(RETRY, max(0.0, self._read_at + RETRY - self._clock())))
            self._read_again()
            return self._keys

    def _read_again(self) -> None:
        self._read_at = self._clock()
        try:
            self._keys = parse_keys(self._read())
        except SecretError as error:
            log.warning("the keys that sign jobs stay as they were: %s", error)
            self._read_at += PAUSE
