"""Coatcheck: hands out tickets for slow work. What the functions and the workers share.

A task's author needs only these names::

    from coatcheck import progress, submit, task
"""

from coatcheck.task import progress, submit, task

__all__ = ["progress", "submit", "task"]
__version__ = "0.1.0.dev0"
