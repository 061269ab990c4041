"""Bearer tokens: what one is, what is kept of it, and whose one is.

A token reads ``cc_<id>_<secret>``: by the id, which is no secret, it is found; the secret proves it. Kept is
only SHA-256 of the secret with a salt of its own. That is enough, and a slow hash would be of no use: slow
hashes make guessing dear, and nobody guesses one of 2^238 random secrets. The salt keeps equal hashes from
telling of equal secrets.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from coatcheck.errors import TokenError
from coatcheck.scopes import ALL_TASKS, Scope

FORMAT = 1
ID_LENGTH, SECRET_LENGTH = 12, 40
ALPHABET = string.ascii_letters + string.digits
TOKEN = re.compile(rf"cc_([A-Za-z0-9]{{{ID_LENGTH}}})_([A-Za-z0-9]{{{SECRET_LENGTH}}})")
"""The secret's 40 characters are 238 random bits."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
GLOB = re.compile(r"[A-Za-z0-9_.*?-]{1,200}")


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. ``created`` and ``expires`` are seconds since 1970; None: it never expires.

    ``tasks`` are patterns of names of tasks, with ``*`` and ``?``.
    """

    name: str
    salt: str
    digest: str
    scopes: tuple[Scope, ...]
    tasks: tuple[str, ...]
    created: int
    expires: int | None

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class TokenBook:
    """All tokens by their ids. Never changes: ``create`` and ``revoke`` give a new one."""

    tokens: Mapping[str, Token] = field(default_factory=dict)

    @classmethod
    def loads(cls, text: str) -> TokenBook:
        """Read what ``dumps`` wrote; nothing at all is a book without tokens. Raises TokenError."""
        if not text:
            return cls()
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ValueError(document["format"])
            return cls({key: _token(entry) for key, entry in document["tokens"].items()})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise TokenError(f"the kept tokens can't be read ({type(error).__name__})") from None

    def dumps(self) -> str:
        """The tokens as JSON."""
        tokens = {key: asdict(token) for key, token in self.tokens.items()}
        return json.dumps({"format": FORMAT, "tokens": tokens}, separators=(",", ":"))

    def create(
        self,
        name: str,
        *,
        now: float,
        scopes: Sequence[Scope] = (Scope.SUBMIT, Scope.READ),
        tasks: Sequence[str] = ALL_TASKS,
        lifetime: int | None = None,
    ) -> tuple[TokenBook, str]:
        """Make a token. Tokens that have expired are forgotten at this occasion.

        Takes the caller's name, the time, and for how many seconds it is good (None: for ever). Returns the
        new book and the token itself, which nobody can tell again.

        Raises TokenError: the name, a scope or a pattern is malformed, or the name is taken.
        """
        _check(name, scopes, tasks)
        living = {key: token for key, token in self.tokens.items() if not token.expired(now)}
        if any(token.name == name for token in living.values()):
            raise TokenError(f"there is a token {name!r} already; revoke it, or take another name")
        key, secret, salt = _random(ID_LENGTH), _random(SECRET_LENGTH), secrets.token_hex(16)
        expires = None if lifetime is None else int(now) + lifetime
        living[key] = Token(name, salt, _digest(salt, secret), tuple(scopes), tuple(tasks), int(now), expires)
        return TokenBook(living), f"cc_{key}_{secret}"

    def revoke(self, name: str) -> TokenBook:
        """Forget the tokens of a name. Returns the new book. Raises TokenError: there is none."""
        left = {key: token for key, token in self.tokens.items() if token.name != name}
        if len(left) == len(self.tokens):
            raise TokenError(f"there is no token {name!r}")
        return TokenBook(left)

    def find(self, text: str, now: float) -> Token | None:
        """What is kept of a token; None if it is malformed, unknown, revoked or expired."""
        match = TOKEN.fullmatch(text)
        token = self.tokens.get(match[1]) if match else None
        if match is None or token is None:
            return None
        right = hmac.compare_digest(token.digest, _digest(token.salt, match[2]))
        return token if right and not token.expired(now) else None


def _check(name: str, scopes: Sequence[Scope], tasks: Sequence[str]) -> None:
    if not NAME.fullmatch(name):
        raise TokenError(
            f"{name!r} is no name for a token: up to 64 letters, digits, '_', '.', '@' or '-',"
            " the first a letter or digit"
        )
    if not scopes:
        raise TokenError(f"a token needs a scope: {', '.join(Scope)}")
    for pattern in tasks:
        if not GLOB.fullmatch(pattern):
            raise TokenError(f"{pattern!r} is no pattern of tasks, such as 'reports.*'")


def _token(entry: Mapping[str, Any]) -> Token:
    scopes = tuple(Scope(scope) for scope in entry["scopes"])
    return Token(**{**entry, "scopes": scopes, "tasks": tuple(entry["tasks"])})


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(f"{salt}{secret}".encode()).hexdigest()


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
