"""``/openapi.json``: the API described in OpenAPI 3.1, with an operation for each task."""

from __future__ import annotations

from typing import Any

from chalicelib.context import current
from chalicelib.jobs import DEFAULT_LIMIT, MAX_LIMIT
from chalicelib.operations import (
    FORM,
    JOB_ID_PARAMETER,
    JSON,
    LIMITS,
    SCHEMES,
    WAIT_PARAMETERS,
    content,
    operation,
    parameter,
    secured,
)
from chalicelib.page import TYPES
from chalicelib.requests import Request
from chalicelib.responses import REVALIDATE, Answer, conditional, json_answer
from chalicelib.routing import PUBLIC, Route
from chalicelib.schemas import FILE_ID, ID, JOB_STATUS, OPTIONS, SHARED, TEXT, Schema, hoist, ref
from coatcheck import __version__
from coatcheck.catalog import TaskSpec
from coatcheck.errors import (
    ConflictError,
    FileInUseError,
    FileMismatchError,
    FilesOffError,
    FilesUnavailableError,
    IdempotencyMismatchError,
    InvalidArgumentsError,
    InvalidJSONError,
    InvalidUploadError,
    NotFoundError,
    PayloadTooLargeError,
    QueueFullError,
    RateLimitedError,
    TooManyWaitingError,
    TooMuchUploadedError,
    UnavailableError,
    UnknownBatchError,
    UnknownFileError,
    UnknownJobError,
    UnknownScheduleError,
    UnknownTaskError,
    UnsupportedMediaTypeError,
    UploadIncompleteError,
)
from coatcheck.logs import CURSOR
from coatcheck.scopes import Scope
from coatcheck.settings import NAME as QUEUE

BODY_PROBLEMS = (
    InvalidJSONError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
    InvalidArgumentsError,
    IdempotencyMismatchError,
    UnavailableError,
    FilesUnavailableError,
)
"""What may be wrong with a submission."""
LIMIT_PROBLEMS = (RateLimitedError, TooManyWaitingError, QueueFullError)
"""What may refuse whatever puts a job on a queue."""


def get_openapi(request: Request) -> Answer:
    """The description, for the address that it was asked at, with the tasks that the caller may use."""
    context = current()
    tasks = tuple(task for task in context.catalog.tasks if request.caller.may_use(task.name))
    document = describe(tasks, request.prefix or "/", context.settings.auth)
    return conditional(request, json_answer(document, headers=REVALIDATE))


def describe(tasks: tuple[TaskSpec, ...], server: str, auth: str) -> dict[str, Any]:
    """The OpenAPI document for these tasks.

    Takes the URL that paths are relative to, and the setting COATCHECK_AUTH.
    """
    schemas: dict[str, Schema] = dict(SHARED)
    for task in tasks:
        schemas |= hoist(task.schema, arguments_name(task))
        schemas |= hoist(task.result, result_name(task))
    paths = {**PATHS, **{f"/tasks/{task.name}": {"post": submit_operation(task)} for task in tasks}}
    components: dict[str, Any] = {"schemas": schemas}
    if auth in SCHEMES:
        components["securitySchemes"] = {auth: SCHEMES[auth]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Coatcheck",
            "version": __version__,
            "description": "Tickets for slow work: submit a task, come back for its result.",
        },
        "servers": [{"url": server}],
        "paths": {
            path: {method: secured(operation, method, auth) for method, operation in methods.items()}
            for path, methods in paths.items()
        },
        "components": components,
    }


def arguments_name(task: TaskSpec) -> str:
    """The name of the schema of a task's arguments."""
    return f"{task.name}.arguments"


def result_name(task: TaskSpec) -> str:
    """The name of the schema of a task's result."""
    return f"{task.name}.result"


def submit_operation(task: TaskSpec) -> dict[str, Any]:
    """The submission of one task."""
    arguments = ref(arguments_name(task))
    result = {"properties": {"result": {"anyOf": [ref(result_name(task)), {"type": "null"}]}}}
    body = {"content": {JSON: {"schema": arguments}, FORM: {"schema": ref("Form")}}}
    return operation(
        f"submit.{task.name}",
        task.title,
        Scope.SUBMIT,
        description=task.description,
        tags=["tasks"],
        status=202,
        answer=content({"allOf": [ref("Job"), result]}),
        job_id="/id",
        headers=("Location", "Retry-After", "Preference-Applied", *LIMITS),
        ended=True,
        parameters=[*OPTION_PARAMETERS, *WAIT_PARAMETERS, IDEMPOTENCY_KEY],
        body={**body, "required": bool(task.schema.get("required"))},
        problems=(UnknownTaskError, *BODY_PROBLEMS, *LIMIT_PROBLEMS),
    )


KEY: Schema = {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}
"""A header has no spaces at its ends."""
IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    KEY,
    "header",
    description="The same key and request again: the same jobs again.",
)
REPEAT_KEY = parameter(
    "Idempotency-Key",
    KEY,
    "header",
    description="The same key again for the job: it was done, and is only answered.",
)
OPTION_PARAMETERS = [parameter(name, schema) for name, schema in OPTIONS.items()]
NAME = parameter("name", TEXT, "path")
QUEUE_NAME: Schema = {"type": "string", "pattern": f"^{QUEUE.pattern}$"}
LOG_CURSOR: Schema = {"type": "string", "pattern": f"^({CURSOR.pattern})?$"}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
JOB_PROBLEMS = (UnknownJobError, UnavailableError)
BATCH_PROBLEMS = (UnknownBatchError, UnavailableError)
SCHEDULE_PROBLEMS = (UnknownTaskError, UnknownScheduleError, UnavailableError)
UPLOAD_PROBLEMS = (FilesOffError, UnavailableError, FilesUnavailableError)
UPLOAD_BODY_PROBLEMS = (InvalidJSONError, PayloadTooLargeError, UnsupportedMediaTypeError, InvalidUploadError)
FILE_PARAMETER = parameter("id", FILE_ID, "path")
PART_NUMBERS: Schema = {"type": "string", "pattern": "^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$"}
PAGE_FILE = {"content": {kind.partition(";")[0]: {"schema": TEXT} for kind in TYPES.values()}}

PATHS: dict[str, Any] = {
    "/tasks": {
        "get": operation(
            "list_tasks", "The catalogue", answer=content(ref("TaskList")), headers=("ETag",), cached=True
        )
    },
    "/tasks/{name}": {
        "get": operation(
            "get_task",
            "One task",
            answer=content(ref("Task")),
            headers=("ETag",),
            cached=True,
            parameters=[NAME],
            problems=(UnknownTaskError,),
        )
    },
    "/jobs": {
        "get": operation(
            "list_jobs",
            "The newest jobs",
            description="A page may hold fewer jobs than asked for, even none, and still have a next one.",
            tags=["jobs"],
            answer=content(ref("JobList")),
            parameters=[
                parameter("status", JOB_STATUS),
                parameter("queue", QUEUE_NAME),
                parameter("task", TEXT),
                parameter("batch", ID, description="Only what was submitted with it."),
                parameter("owner", TEXT, description="Whose jobs; an admin sees everybody's."),
                parameter("cursor", ID, description="The next of the page before."),
                parameter("limit", LIMIT),
            ],
            problems=BATCH_PROBLEMS,
        ),
        "post": operation(
            "submit_jobs",
            "Submit many jobs, all or none",
            Scope.SUBMIT,
            tags=["jobs"],
            status=202,
            answer=content(ref("Jobs")),
            job_id="/jobs/0/id",
            headers=("Retry-After", *LIMITS),
            parameters=[IDEMPOTENCY_KEY],
            body={**content(ref("NewBatch")), "required": True},
            problems=(*BODY_PROBLEMS, *LIMIT_PROBLEMS),
        ),
    },
    "/jobs/{id}": {
        "get": operation(
            "get_job",
            "Status and result",
            tags=["jobs"],
            answer=content(ref("Job")),
            job_id="/id",
            headers=("ETag", "Retry-After", "Preference-Applied"),
            cached=True,
            parameters=[JOB_ID_PARAMETER, *WAIT_PARAMETERS],
            problems=JOB_PROBLEMS,
        ),
        "delete": operation(
            "stop_job",
            "Cancel what waits, stop what runs",
            Scope.SUBMIT,
            tags=["jobs"],
            status=202,
            answer=content(ref("Job")),
            job_id="/id",
            parameters=[JOB_ID_PARAMETER, REPEAT_KEY],
            problems=(*JOB_PROBLEMS, ConflictError),
        ),
    },
    "/jobs/{id}/retry": {
        "post": operation(
            "retry_job",
            "Run again what failed, was stopped or canceled",
            Scope.SUBMIT,
            tags=["jobs"],
            status=202,
            answer=content(ref("Job")),
            job_id="/id",
            headers=("Location", "Retry-After"),
            ended=True,
            parameters=[JOB_ID_PARAMETER, REPEAT_KEY],
            problems=(*JOB_PROBLEMS, ConflictError, *LIMIT_PROBLEMS),
        )
    },
    "/jobs/{id}/deliveries": {
        "get": operation(
            "list_deliveries",
            "How the job's end was told to its callback",
            tags=["jobs"],
            answer=content(ref("Deliveries")),
            parameters=[JOB_ID_PARAMETER],
            problems=JOB_PROBLEMS,
        ),
        "post": operation(
            "deliver_again",
            "Tell the job's end to its callback once more",
            Scope.SUBMIT,
            tags=["jobs"],
            status=202,
            answer=content(ref("Job")),
            job_id="/id",
            headers=("Location", "Retry-After"),
            parameters=[JOB_ID_PARAMETER],
            problems=(*JOB_PROBLEMS, ConflictError, *LIMIT_PROBLEMS),
        ),
    },
    "/jobs/{id}/log": {
        "get": operation(
            "get_log",
            "What the task printed",
            tags=["jobs"],
            answer=content(ref("Log")),
            headers=("Retry-After",),
            parameters=[
                JOB_ID_PARAMETER,
                parameter("after", LOG_CURSOR, description="The next of the piece before."),
            ],
            problems=JOB_PROBLEMS,
        )
    },
    "/batches/{id}": {
        "get": operation(
            "get_batch",
            "Jobs that were submitted together, and how far they are",
            tags=["batches"],
            answer=content(ref("Batch")),
            headers=("ETag", "Retry-After"),
            cached=True,
            parameters=[JOB_ID_PARAMETER],
            problems=BATCH_PROBLEMS,
        ),
        "delete": operation(
            "cancel_batch",
            "Cancel those that wait, stop those that run",
            Scope.SUBMIT,
            tags=["batches"],
            status=202,
            answer=content(ref("Batch")),
            headers=("Retry-After",),
            parameters=[JOB_ID_PARAMETER],
            problems=(*BATCH_PROBLEMS, ConflictError),
        ),
    },
    "/uploads": {
        "post": operation(
            "begin_upload",
            "Upload a file: where its parts go",
            Scope.SUBMIT,
            tags=["files"],
            status=201,
            answer=content(ref("Upload")),
            headers=("Location", *LIMITS),
            body={**content(ref("NewUpload")), "required": True},
            problems=(*UPLOAD_PROBLEMS, *UPLOAD_BODY_PROBLEMS, TooMuchUploadedError),
        )
    },
    "/uploads/{id}": {
        "get": operation(
            "get_upload",
            "What has arrived of a file, and where the rest goes",
            Scope.SUBMIT,
            tags=["files"],
            answer=content(ref("Upload")),
            parameters=[
                FILE_PARAMETER,
                parameter("parts", PART_NUMBERS, description="Of which parts to tell where they go."),
            ],
            problems=(*UPLOAD_PROBLEMS, UnknownFileError),
        ),
        "delete": operation(
            "delete_upload",
            "Delete a file that no job uses",
            Scope.SUBMIT,
            tags=["files"],
            status=204,
            answer={},
            parameters=[FILE_PARAMETER],
            problems=(*UPLOAD_PROBLEMS, UnknownFileError, FileInUseError),
        ),
    },
    "/uploads/{id}/complete": {
        "post": operation(
            "complete_upload",
            "Make a file of its parts",
            Scope.SUBMIT,
            tags=["files"],
            answer=content(ref("File")),
            parameters=[FILE_PARAMETER],
            body=content(ref("Parts")),
            problems=(
                *UPLOAD_PROBLEMS,
                *UPLOAD_BODY_PROBLEMS,
                UnknownFileError,
                UploadIncompleteError,
                FileMismatchError,
            ),
        )
    },
    "/queues": {
        "get": operation(
            "list_queues",
            "Depth, oldest wait and workers",
            tags=["service"],
            answer=content(ref("QueueList")),
            problems=(UnavailableError,),
        )
    },
    "/schedules": {
        "get": operation(
            "list_schedules",
            "The periodic tasks, and when they run",
            tags=["schedules"],
            answer=content(ref("ScheduleList")),
            problems=(UnavailableError,),
        )
    },
    "/schedules/{name}": {
        "get": operation(
            "get_schedule",
            "One periodic task",
            tags=["schedules"],
            answer=content(ref("Schedule")),
            parameters=[NAME],
            problems=SCHEDULE_PROBLEMS,
        )
    },
    "/schedules/{name}/pause": {
        "post": operation(
            "pause_schedule",
            "Let its ticks pass from now on",
            Scope.ADMIN,
            tags=["schedules"],
            answer=content(ref("Schedule")),
            parameters=[NAME],
            problems=SCHEDULE_PROBLEMS,
        )
    },
    "/schedules/{name}/resume": {
        "post": operation(
            "resume_schedule",
            "Let its ticks run again",
            Scope.ADMIN,
            tags=["schedules"],
            answer=content(ref("Schedule")),
            parameters=[NAME],
            problems=SCHEDULE_PROBLEMS,
        )
    },
    "/schedules/{name}/run": {
        "post": operation(
            "run_schedule",
            "Submit a job with its arguments now",
            Scope.SUBMIT,
            tags=["schedules"],
            status=202,
            answer=content(ref("Job")),
            headers=("Location", "Retry-After", *LIMITS),
            ended=True,
            parameters=[NAME, IDEMPOTENCY_KEY],
            problems=(*SCHEDULE_PROBLEMS, IdempotencyMismatchError, *LIMIT_PROBLEMS),
        )
    },
    "/metrics": {
        "get": operation(
            "get_metrics",
            "The queues' figures, as Prometheus reads them",
            description="Only where the setting COATCHECK_METRICS is prometheus.",
            tags=["service"],
            answer=content(TEXT, "text/plain"),
            problems=(NotFoundError, UnavailableError),
        )
    },
    "/health": {
        "get": operation(
            "get_health",
            "Redis answers, and each queue has a worker",
            PUBLIC,
            tags=["service"],
            answer=content(ref("Health")),
            others={"503": {"description": "Not so.", **content(ref("Health"))}},
        )
    },
    "/openapi.json": {
        "get": operation(
            "get_openapi",
            "This document",
            tags=["service"],
            answer=content({"type": "object"}),
            headers=("ETag",),
            cached=True,
        )
    },
    "/": {
        "get": operation(
            "get_page", "The page", PUBLIC, tags=["page"], answer=content(TEXT, "text/html"), cached=True
        )
    },
    "/static/{name}": {
        "get": operation(
            "get_static",
            "A file of the page",
            PUBLIC,
            tags=["page"],
            answer=PAGE_FILE,
            cached=True,
            parameters=[NAME],
            problems=(NotFoundError,),
        )
    },
    "/static/{version}/{name}": {
        "get": operation(
            "get_static_version",
            "A file of the page, to be kept for ever",
            PUBLIC,
            tags=["page"],
            answer=PAGE_FILE,
            cached=True,
            parameters=[parameter("version", TEXT, "path"), NAME],
            problems=(NotFoundError,),
        )
    },
    "/_run_task": {
        "post": operation(
            "run_task",
            "Submit a task without arguments, as in 2016",
            Scope.SUBMIT,
            tags=["story"],
            status=202,
            answer=content({"type": "object", "maxProperties": 0}),
            headers=("Location", *LIMITS),
            body={
                **content({"type": "object", "properties": {"task": TEXT}, "required": ["task"]}, FORM),
                "required": True,
            },
            problems=(
                UnknownTaskError,
                PayloadTooLargeError,
                UnsupportedMediaTypeError,
                InvalidArgumentsError,
                UnavailableError,
                *LIMIT_PROBLEMS,
            ),
        )
    },
    "/status/{id}": {
        "get": operation(
            "get_status",
            "Status and result, as in 2016",
            tags=["story"],
            answer=content(ref("StoryStatus")),
            parameters=[parameter("id", TEXT, "path")],
            problems=(UnavailableError,),
        )
    },
}
"""All that does not depend on the catalogue."""

ROUTES = (Route("GET", "/openapi.json", get_openapi, Scope.READ),)
