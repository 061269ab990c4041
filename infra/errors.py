"""What can go wrong while Coatcheck is started on a machine."""

from __future__ import annotations

from coatcheck.errors import CoatcheckError


class StartError(CoatcheckError):
    """A part can't be started; the message says which, why, and what to do about it."""


class PackageError(CoatcheckError):
    """The function package can't be built, or does not work; the message says why."""
