"""``/uploads``: files that jobs shall be given. Their bytes never come by here."""

from __future__ import annotations

from chalicelib.requests import Request
from chalicelib.responses import Answer
from chalicelib.routing import Route
from coatcheck.scopes import Scope


def begin_upload(request: Request) -> Answer:
    """Take note of a file that is to come, and tell where its parts go."""
    from chalicelib.uploading import begin

    return begin(request)


def get_upload(request: Request) -> Answer:
    """What has arrived of a file, and where the rest goes."""
    from chalicelib.uploading import look

    return look(request)


def complete_upload(request: Request) -> Answer:
    """Make a file of its parts: from now on jobs can be given it."""
    from chalicelib.uploading import complete

    return complete(request)


def delete_upload(request: Request) -> Answer:
    """Delete a file that no job uses, or what has arrived of it."""
    from chalicelib.uploading import delete

    return delete(request)


ROUTES = (
    Route("POST", "/uploads", begin_upload, Scope.SUBMIT),
    Route("GET", "/uploads/{id}", get_upload, Scope.SUBMIT, frozenset({"parts"})),
    Route("POST", "/uploads/{id}/complete", complete_upload, Scope.SUBMIT),
    Route("DELETE", "/uploads/{id}", delete_upload, Scope.SUBMIT),
)
