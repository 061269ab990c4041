"""Tasks that run by themselves, each by another kind of schedule, and one that does not."""

from __future__ import annotations

from coatcheck import task


@task(title="Nightly report", cron="0 3 * * *", timezone="Europe/Berlin", arguments={"keep": 30})
def nightly(keep: int = 7) -> int:
    """Returns its argument."""
    return keep


@task(every=2, overlap="queue", catch_up="none")
def poll() -> None:
    """Runs every other second."""


@task(cron="*/7 9-16 * * MON-FRI", timezone="Asia/Kathmandu", catch_up="all")
def trade() -> None:
    """Runs by an expression that no words would make shorter."""


def once() -> None:
    """Has no schedule."""
