"""Who calls, and what they may do: every decision about it is made here.

On AWS, API Gateway asks ``authorize``, a function of its own, and hands what it says to the API with the
request. Where no gateway does so (a laptop, LocalStack) the setting COATCHECK_TOKENS tells the API where the
tokens are, and it looks for itself, by the same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalice.app import AuthRequest, AuthResponse

from coatcheck.errors import ForbiddenError, UnauthorizedError
from coatcheck.scopes import ALL_TASKS, EVERYTHING, Access, Scope, other_tasks, task_allowed
from coatcheck.settings import Settings, load_one

if TYPE_CHECKING:
    from coatcheck.token_store import TokenCheck
    from coatcheck.tokens import Token

REALM = 'Bearer realm="coatcheck"'
SIGNATURE = "AWS4-HMAC-SHA256"
NO_TOKEN = "This needs a token: send it as 'Authorization: Bearer cc_...'."  # noqa: S105
WRONG_TOKEN = "The token is malformed or unknown, has been revoked or has expired."  # noqa: S105
SESSION = re.compile(r"(arn:[a-z-]+:sts::[0-9]{12}:assumed-role/[^/]+)/.*", re.DOTALL)
"""The ARN of a role's session, after that of the role: a container that is started anew has another one."""
CACHE_SECONDS = 30
"""How long API Gateway may go by an answer of ``authorize``."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, by name (empty: nobody asks), with the scopes and the patterns of tasks they have."""

    name: str
    scopes: frozenset[Scope]
    tasks: tuple[str, ...] = ALL_TASKS

    @property
    def bound(self) -> bool:
        """Whether there are tasks that they may have nothing to do with."""
        return self.tasks != ALL_TASKS and Scope.ADMIN not in self.scopes

    @property
    def owner(self) -> str | None:
        """Whose a job is that they submit; None: nobody's."""
        return self.name or None

    @property
    def lasting_name(self) -> str:
        """The name without what changes when a role is taken on again."""
        match = SESSION.fullmatch(self.name)
        return match[1] if match else self.name

    @property
    def access(self) -> Access:
        """Which jobs they may deal with: their own, an admin all."""
        return EVERYTHING if Scope.ADMIN in self.scopes else Access(self.name, self.tasks)

    def may_use(self, task: str) -> bool:
        """Whether they may submit a task, and see the jobs of it."""
        return not self.bound or task_allowed(self.tasks, task)

    def has(self, scope: Scope) -> bool:
        """Whether they have a scope, or may all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def check_scope(self, scope: Scope) -> None:
        """Raises ForbiddenError."""
        if not self.has(scope):
            error = ForbiddenError(f"This needs the scope '{scope}', which {self.name} doesn't have.")
            error.headers["WWW-Authenticate"] = f'{REALM}, error="insufficient_scope", scope="{scope}"'
            raise error

    def check_tasks(self, tasks: Iterable[str]) -> None:
        """Raises ForbiddenError: names the tasks that are not theirs, whether these exist or not."""
        if self.bound and (wrong := {task for task in tasks if not self.may_use(task)}):
            raise other_tasks(self.name, self.tasks, wrong)


ANYBODY = Caller("", frozenset(Scope))
"""Whoever calls an API that asks nobody."""


def caller_of(settings: Settings, context: Mapping[str, Any], headers: Mapping[str, str]) -> Caller:
    """Who sent a request.

    Takes the gateway's context of it, and its headers with lower-case names.

    Raises UnauthorizedError: also when a gateway that should have asked has not.
    """
    if settings.auth == "none":
        return ANYBODY
    if settings.auth == "iam":
        return _signer(context)
    if settings.tokens:
        return _holder(settings.tokens, headers.get("authorization", ""))
    told = context.get("authorizer") or {}
    if not told.get("principalId"):
        raise UnauthorizedError(NO_TOKEN, REALM)
    scopes = frozenset(Scope(scope) for scope in str(told["scopes"]).split())
    return Caller(str(told["principalId"]), scopes, tuple(str(told["tasks"]).split()))


def authorize(request: AuthRequest) -> AuthResponse:
    """What API Gateway's authorizer answers: who holds the token, for every path, since it keeps the answer.

    Raises an exception that says "Unauthorized", which is how API Gateway is told to answer 401.
    """
    try:
        caller = _holder(load_one("tokens"), request.token)
    except UnauthorizedError:
        raise PermissionError("Unauthorized") from None
    context = {"scopes": " ".join(sorted(caller.scopes)), "tasks": " ".join(caller.tasks)}
    return AuthResponse(routes=["*"], principal_id=caller.name, context=context)


class _Checks:
    """The one check of this process for each place of tokens."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_place: dict[str, TokenCheck] = {}

    def find(self, place: str, token: str) -> Token | None:
        check = self._by_place.get(place)
        return (check or self._open(place)).find(token)

    def _open(self, place: str) -> TokenCheck:
        # Here, since behind API Gateway only its authorizer comes by.
        from coatcheck.token_store import TokenCheck, open_store

        with self._lock:
            if place not in self._by_place:
                self._by_place[place] = TokenCheck(open_store(place))
            return self._by_place[place]


_checks = _Checks()


def _holder(place: str, header: str) -> Caller:
    """Who holds the token of an Authorization header (RFC 6750, section 2.1)."""
    scheme, _, text = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError(NO_TOKEN, REALM)
    token = _checks.find(place, text.strip())
    if token is None:
        raise UnauthorizedError(WRONG_TOKEN, f'{REALM}, error="invalid_token"')
    return Caller(token.name, frozenset(token.scopes), token.tasks)


def _signer(context: Mapping[str, Any]) -> Caller:
    """Who signed a request. What they may do is for their IAM policies to say, path by path."""
    arn = (context.get("identity") or {}).get("userArn")
    if not arn:
        raise UnauthorizedError("This needs a request that is signed (AWS Signature Version 4).", SIGNATURE)
    return Caller(str(arn), frozenset(Scope))
