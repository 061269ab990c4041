"""The names of all keys in Redis: RQ's own, and the few that Coatcheck adds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Builds key names below one prefix (``Settings.prefix``, the ``RQ_KEY_PREFIX`` of RQ)."""

    prefix: str

    # RQ's data model (rq 3: rq/job.py, queue.py, registry.py, results.py, executions.py)

    @property
    def queues(self) -> str:
        """Set of the keys of all queues."""
        return f"{self.prefix}:queues"

    def queue(self, name: str) -> str:
        """List of waiting job ids; workers take from its left."""
        return f"{self.prefix}:queue:{name}"

    def intermediate(self, name: str) -> str:
        """List of job ids that a worker took and has not begun yet."""
        return f"{self.prefix}:queue:{name}:intermediate"

    def job(self, job_id: str) -> str:
        """Hash of one job."""
        return f"{self.prefix}:job:{job_id}"

    def results(self, job_id: str) -> str:
        """Stream of a job's results, a record for each run that ended."""
        return f"{self.prefix}:results:{job_id}"

    def registry(self, kind: str, queue: str) -> str:
        """Sorted set of a queue's jobs in one state: wip, finished, failed, canceled, scheduled, deferred."""
        return f"{self.prefix}:{kind}:{queue}"

    def dependents(self, job_id: str) -> str:
        """Set of the ids of jobs that wait for a job, or need its result, or were canceled because of it."""
        return f"{self.prefix}:job:{job_id}:dependents"

    def dependencies(self, job_id: str) -> str:
        """Set of the ids of the jobs that a job waits for, as RQ's readers want it, with RQ's two colons."""
        return f"{self.prefix}:job::{job_id}:dependencies"

    @property
    def workers(self) -> str:
        """Set of the keys of all workers."""
        return f"{self.prefix}:workers"

    def workers_of(self, queue: str) -> str:
        """Set of the keys of the workers that serve a queue."""
        return f"{self.prefix}:workers:{queue}"

    def worker(self, name: str) -> str:
        """Hash of one worker, which expires when its heartbeats end."""
        return f"{self.prefix}:worker:{name}"

    # Coatcheck's own

    @property
    def index(self) -> str:
        """Sorted set of all job ids, by queue and status (``place`` in ``lists.lua``), and these by time."""
        return f"{self.prefix}:index"

    @property
    def owned(self) -> str:
        """Sorted set of the ids of jobs that have an owner, by owner and status, and these by time."""
        return f"{self.prefix}:owned"

    @property
    def leases(self) -> str:
        """Sorted set of ``job:execution``, by the second at which the worker counts as lost."""
        return f"{self.prefix}:leases"

    @property
    def swept(self) -> str:
        """The second at which somebody last looked for ended leases, by Redis' clock."""
        return f"{self.prefix}:swept"

    @property
    def unsettled(self) -> str:
        """Sorted set of the ids of jobs to be seen to, since one that they come after has changed."""
        return f"{self.prefix}:unsettled"

    @property
    def uncalled(self) -> str:
        """Sorted set of the ids of jobs that were brought back, and lack the delivery of their next end."""
        return f"{self.prefix}:uncalled"

    def batch(self, batch_id: str) -> str:
        """Hash of a batch: its owner, when it was submitted, its jobs."""
        return f"{self.prefix}:batch:{batch_id}"

    def schedule(self, task: str) -> str:
        """Hash of a periodic task: its last tick and the job of it."""
        return f"{self.prefix}:schedule:{task}"

    def log(self, job_id: str) -> str:
        """Stream of what a job's task printed."""
        return f"{self.prefix}:log:{job_id}"

    def waiting(self, owner: str) -> str:
        """Set of the ids of an owner's jobs that wait, so that a limit can count them."""
        return f"{self.prefix}:waiting:{owner_digest(owner)}"

    def rate(self, owner: str) -> str:
        """The token bucket of an owner's submissions, for the limit of a minute."""
        return f"{self.prefix}:rate:{owner_digest(owner)}"

    def uploads(self, owner: str) -> str:
        """The bucket of bytes that an owner may upload, for the limit of a day."""
        return f"{self.prefix}:uploads:{owner_digest(owner)}"

    def idempotency(self, digest: str) -> str:
        """Hash of what an idempotency key was used for."""
        return f"{self.prefix}:idempotency:{digest}"

    def file(self, file_id: str) -> str:
        """What is known of an uploaded file."""
        return f"{self.prefix}:file:{file_id}"

    # Channels, which are no keys

    def ended(self, job_id: str) -> str:
        """Channel that is told a job's last status when it ends."""
        return f"{self.prefix}:ended:{job_id}"

    def waiter(self, token: str) -> str:
        """Channel of one who waits for a job's end: so all who do can be counted, and called."""
        return f"{self.prefix}:waiter:{token}"


def owner_digest(owner: str) -> str:
    """What stands for an owner in the names of keys, as the scripts make it: a name may hold anything."""
    return hashlib.sha1(owner.encode(), usedforsecurity=False).hexdigest()
