"""The client: hands in jobs over HTTP, and comes back for what became of them.

::

    from coatcheck.client import Client

    with Client("http://127.0.0.1:8000") as client:
        ticket = client.tasks.examples.count_slowly(to=3)
        print(ticket.result(timeout=60))

``AsyncClient`` is the same for asyncio. Both need httpx only: ``pip install '/path/to/coatcheck[client]'``.
What the API refuses is raised as the error of ``coatcheck.errors`` that has the problem's name.
"""

from coatcheck.client.async_client import AsyncClient
from coatcheck.client.batch import AsyncBatch, Batch
from coatcheck.client.client import Client
from coatcheck.client.errors import (
    ClientError,
    ConnectionFailedError,
    JobCanceledError,
    JobEndedError,
    JobFailedError,
    JobStoppedError,
    ResponseError,
    TransferError,
    WaitTimeoutError,
)
from coatcheck.client.files.arguments import FileArgument
from coatcheck.client.files.reference import UploadedFile
from coatcheck.client.files.remote import AsyncRemoteFile, RemoteFile
from coatcheck.client.files.source import Uploadable
from coatcheck.client.orders import Order, result_of
from coatcheck.client.tasks import TaskHandle
from coatcheck.client.ticket import AsyncTicket, Ticket
from coatcheck.client.watch import Update
from coatcheck.client.workflow import AsyncWorkflow, Step, Workflow
from coatcheck.job import Job, JobError, JobStatus, Progress

__all__ = [
    "AsyncBatch",
    "AsyncClient",
    "AsyncRemoteFile",
    "AsyncTicket",
    "AsyncWorkflow",
    "Batch",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "FileArgument",
    "Job",
    "JobCanceledError",
    "JobEndedError",
    "JobError",
    "JobFailedError",
    "JobStatus",
    "JobStoppedError",
    "Order",
    "Progress",
    "RemoteFile",
    "ResponseError",
    "Step",
    "TaskHandle",
    "Ticket",
    "TransferError",
    "Update",
    "Uploadable",
    "UploadedFile",
    "WaitTimeoutError",
    "Workflow",
    "result_of",
]
