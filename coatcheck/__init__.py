"""Coatcheck: hands out tickets for slow work. What the functions and the workers share.

A task's author needs only these names::

    from coatcheck import File, FileRules, job_id, progress, submit, task
"""

from typing import TYPE_CHECKING, Any

from coatcheck.task import job_id, progress, submit, task

if TYPE_CHECKING:
    from coatcheck.file import File, FileRules

__all__ = ["File", "FileRules", "job_id", "progress", "submit", "task"]
__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    """Files are imported by who asks for them: a function that starts has no use for any."""
    if name in ("File", "FileRules"):
        from coatcheck import file

        return getattr(file, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
