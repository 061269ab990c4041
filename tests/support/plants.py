"""What a test plants in Redis for a worker to find."""

from pathlib import Path
from typing import Any


def callback(job: Any, connection: Any, result: Any) -> None:
    """A callback of RQ that leaves a trace where the job's description says."""
    Path(job.description).touch()
