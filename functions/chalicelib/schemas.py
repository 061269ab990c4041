"""JSON Schemas of the API's own documents, as OpenAPI shows them, and of tasks, made fit for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.dependencies import REF
from chalicelib.options import IF_FAILED
from coatcheck.batches import BatchStatus
from coatcheck.files.ids import ANY_FILE_ID
from coatcheck.job import JOB_ID, MAX_AFTER, JobStatus

Schema = dict[str, Any]

NAMES_OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
"""Keywords whose value maps names to schemas: a name there is no keyword."""
DATA = frozenset({"default", "examples", "example", "enum", "const"})
"""Keywords whose value is data, in which a reference would be none."""
LOCAL = "#/$defs/"


def ref(name: str) -> Schema:
    """A reference to a shared schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, Schema], description: str = "", optional: tuple[str, ...] = ()) -> Schema:
    """An object; all properties are always there but those named ``optional``."""
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }
    return {**schema, "description": description} if description else schema


def array(items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": items}


def hoist(schema: Mapping[str, Any], name: str) -> dict[str, Schema]:
    """A task's schema as shared schemas: itself under ``name``, its ``$defs`` below, references adjusted."""
    definitions = schema.get("$defs", {})
    own = {key: value for key, value in schema.items() if key != "$defs"}
    shared = {_component(name, key): _adjusted(value, name) for key, value in definitions.items()}
    return {name: _adjusted(own, name), **shared}


def _component(name: str, definition: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{name}.{definition}")


def _adjusted(schema: Any, name: str) -> Any:
    if isinstance(schema, list):
        return [_adjusted(item, name) for item in schema]
    if not isinstance(schema, dict):
        return schema
    adjusted: Schema = {}
    for key, value in schema.items():
        if key in DATA:
            adjusted[key] = value
        elif key in NAMES_OF_SCHEMAS and isinstance(value, dict):
            adjusted[key] = {inner: _adjusted(item, name) for inner, item in value.items()}
        elif key == "$ref":
            adjusted[key] = _target(value, name)
        elif key == "discriminator" and isinstance(value, dict):
            mapping = {kind: _target(target, name) for kind, target in value.get("mapping", {}).items()}
            adjusted[key] = {**value, "mapping": mapping}
        else:
            adjusted[key] = _adjusted(value, name)
    return adjusted


def _target(reference: str, name: str) -> str:
    if not reference.startswith(LOCAL):
        return reference
    return f"#/components/schemas/{_component(name, reference.removeprefix(LOCAL))}"


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
IF_ALLOWED: Schema = {**TEXT_OR_NULL, "description": "Null: the caller lacks the scope for it."}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}
JOB_STATUS: Schema = {"type": "string", "enum": [status.value for status in JobStatus]}
ID: Schema = {"type": "string", "pattern": f"^{JOB_ID.pattern}$"}
ID_OR_NULL: Schema = {"type": ["string", "null"], "pattern": f"^{JOB_ID.pattern}$"}

PROGRESS: Schema = {
    "anyOf": [
        record({"fraction": {"type": "number", "minimum": 0, "maximum": 1}, "message": TEXT}),
        {"type": "null"},
    ]
}

SUMMARY: dict[str, Schema] = {
    "id": ID,
    "task": TEXT,
    "queue": TEXT,
    "status": JOB_STATUS,
    "progress": PROGRESS,
    "error": {"anyOf": [record({"type": TEXT, "message": TEXT}), {"type": "null"}]},
    "attempt": {**COUNT, "description": "How often it was begun."},
    "interrupted": {**COUNT, "description": "How often its worker was lost."},
    "created_at": TIME,
    "enqueued_at": TIME_OR_NULL,
    "scheduled_for": TIME_OR_NULL,
    "started_at": TIME_OR_NULL,
    "ended_at": TIME_OR_NULL,
    "worker": TEXT_OR_NULL,
    "stop_requested": FLAG,
    "owner": {**TEXT_OR_NULL, "description": "Who submitted it; null where callers are not asked."},
    "after": {**array(ID), "description": "The jobs that must end before it runs."},
    "if_failed": {
        "type": ["string", "null"],
        "enum": [*IF_FAILED, None],
        "description": "What becomes of it when one of these does not finish; null if it waits for none.",
    },
    "batch": {**ID_OR_NULL, "description": "What it was submitted with."},
    "parent": {**ID_OR_NULL, "description": "The job that submitted it."},
    "links": record({"self": TEXT, "log": TEXT, "retry": IF_ALLOWED, "task": TEXT}),
}

FULL_ERROR: Schema = {
    "anyOf": [record({"type": TEXT, "message": TEXT, "traceback": TEXT_OR_NULL}), {"type": "null"}]
}

TASK: dict[str, Schema] = {
    "name": TEXT,
    "title": TEXT,
    "description": TEXT,
    "queue": TEXT,
    "timeout": {**COUNT, "description": "Seconds."},
    "retries": {"type": ["integer", "null"], "description": "How often it is run again after an error."},
    "schema": {"type": "object", "description": "JSON Schema of the arguments."},
    "result": {"type": "object", "description": "JSON Schema of the result."},
    "links": record({"self": TEXT, "submit": IF_ALLOWED}),
}

SCHEDULE: dict[str, Schema] = {
    "task": TEXT,
    "title": TEXT,
    "cron": {**TEXT_OR_NULL, "description": "Minute, hour, day, month, weekday."},
    "every": {"type": ["integer", "null"], "description": "Seconds between two ticks."},
    "words": {**TEXT, "description": "When, for people: every day at 03:00; or cron, where that is shorter."},
    "timezone": {**TEXT, "description": "A name of the IANA's, such as Europe/Berlin."},
    "arguments": {"type": "object"},
    "overlap": {"type": "string", "enum": ["skip", "queue"]},
    "catch_up": {"type": "string", "enum": ["last", "all", "none"]},
    "paused": FLAG,
    "next": {**TIME_OR_NULL, "description": "The next tick; null while it is paused."},
    "coming": {**array(TIME), "description": "The next ticks, in order."},
    "last": {**TIME_OR_NULL, "description": "The last tick that became a job."},
    "last_job": TEXT_OR_NULL,
    "skipped": {**COUNT, "description": "Ticks without a job, since the one before had not ended."},
    "links": record(
        {
            "self": TEXT,
            "task": TEXT,
            "last_job": TEXT_OR_NULL,
            "pause": IF_ALLOWED,
            "resume": IF_ALLOWED,
            "run": IF_ALLOWED,
        }
    ),
}

WORKER: dict[str, Schema] = {
    "name": TEXT,
    "state": TEXT,
    "job": TEXT_OR_NULL,
    "hostname": TEXT,
    "pid": {"type": ["integer", "null"]},
    "version": {**TEXT, "description": "The version of the catalogue that it serves."},
    "started_at": TIME_OR_NULL,
    "last_heartbeat": TIME,
}

QUEUE: dict[str, Schema] = {
    "name": TEXT,
    "counts": {"type": "object", "additionalProperties": COUNT, "description": "Jobs by status."},
    "oldest_wait": {"type": ["number", "null"], "description": "Seconds that the first job has waited."},
    "workers": array(ref("Worker")),
}

OPTIONS: dict[str, Schema] = {
    "queue": {**TEXT, "description": "The queue, instead of the task's own."},
    "delay": {"type": ["string", "number"], "description": "Not before that long: seconds, or 5m, 1h30m."},
    "at": {**TIME, "description": "Not before that time."},
    "timeout": {
        "type": ["string", "integer"],
        "description": "Ended after that long: seconds, or 5m, 1h30m.",
    },
    "callback": {
        **TEXT,
        "pattern": "^https?://",
        "description": "An https URL that the job's end is told to.",
    },
    "after": {
        **array(TEXT),
        "maxItems": MAX_AFTER,
        "description": "The jobs that must end before it runs: their ids, or refs of the same batch.",
    },
    "if_failed": {
        "type": "string",
        "enum": list(IF_FAILED),
        "description": "When one of these does not finish: cancel it (the default), or run it all the same.",
    },
}

ATTEMPT: dict[str, Schema] = {
    "delivery": {**ID, "description": "The job that made the attempt."},
    "attempt": COUNT,
    "at": TIME,
    "seconds": {"type": "number", "minimum": 0},
    "event": {**TEXT, "description": "The message's type, such as job.finished."},
    "status": {"type": ["integer", "null"], "description": "Of the receiver's answer; null without one."},
    "error": {**TEXT_OR_NULL, "description": "Why it failed; null if it did not."},
}

REF_OF_ENTRY: Schema = {
    "type": "string",
    "pattern": f"^{REF.pattern}$",
    "description": "What other entries of the batch call the job, in after and in $result.",
}
BATCH_ENTRY = record(
    {"task": TEXT, "arguments": {"type": "object", "default": {}}, "ref": REF_OF_ENTRY, **OPTIONS},
    optional=("arguments", "ref", *OPTIONS),
)
BATCH: dict[str, Schema] = {
    "id": ID,
    "created_at": TIME,
    "owner": TEXT_OR_NULL,
    "status": {
        "type": "string",
        "enum": [status.value for status in BatchStatus],
        "description": "It has failed if one of its jobs did not finish.",
    },
    "counts": {"type": "object", "additionalProperties": COUNT, "description": "Jobs by status."},
    "total": {**COUNT, "description": "How many jobs it has, those too that are kept no more."},
    "progress": {"type": "number", "minimum": 0, "maximum": 1},
    "jobs": array(ref("JobSummary")),
    "links": record({"self": TEXT, "jobs": {**TEXT, "description": "All its jobs, page by page."}}),
}

FILE_ID: Schema = {"type": "string", "pattern": f"^{ANY_FILE_ID}$"}
SHA256: Schema = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
BYTES: Schema = {**COUNT, "description": "Bytes."}
FILE: dict[str, Schema] = {
    "$file": FILE_ID,
    "name": TEXT,
    "type": {**TEXT, "description": "The media type."},
    "size": BYTES,
    "sha256": {**SHA256, "description": "In hexadecimal; null where nobody has told it."},
    "url": {**TEXT_OR_NULL, "description": "Where its bytes are; relative to this API, or a whole URL."},
    "expires_at": {**TIME_OR_NULL, "description": "When the url dies: ask again for a new one."},
}
PART = record({"number": {**COUNT, "minimum": 1}, "size": BYTES})
UPLOAD: dict[str, Schema] = {
    "id": FILE_ID,
    "status": {"type": "string", "enum": ["waiting", "complete"]},
    "file": ref("File"),
    "part_size": {"type": ["integer", "null"], "description": "Of all parts but the last; null: one part."},
    "count": {**COUNT, "description": "How many parts there are."},
    "arrived": array(PART),
    "parts": array(
        record(
            {
                **PART["properties"],
                "method": TEXT,
                "url": TEXT,
                "headers": {"type": "object", "additionalProperties": TEXT},
            },
            "Where to send a part that has not arrived.",
        )
    ),
    "links_expire_at": {**TIME, "description": "When the urls of parts die: ask again for new ones."},
    "expires_at": {**TIME, "description": "When the file is gone, unless a job uses it."},
    "links": record({"self": TEXT, "complete": TEXT}),
}

SHARED: dict[str, Schema] = {
    "Job": record(
        {
            **SUMMARY,
            "arguments": {"type": "object"},
            "result": {},
            "result_file": {
                "anyOf": [ref("File"), {"type": "null"}],
                "description": "Where the result is, as JSON, that is too large to be shown here.",
            },
            "error": FULL_ERROR,
            "children": {**array(ID), "description": "The jobs that its task submitted."},
        },
        "A job.",
    ),
    "File": record(FILE, "A file of a job, or one that was uploaded."),
    "Upload": record(UPLOAD, "A file that is to be uploaded."),
    "NewUpload": record(
        {
            "name": {**TEXT, "minLength": 1, "maxLength": 255},
            "type": {**TEXT_OR_NULL, "description": "The media type; by the name if it is left out."},
            "size": BYTES,
            "sha256": SHA256,
        },
        optional=("type", "sha256"),
    ),
    "Parts": record(
        {"parts": array(record({"number": {**COUNT, "minimum": 1}, "sha256": SHA256}, optional=("sha256",)))},
        "The checksums of an upload's parts, to be compared.",
        optional=("parts",),
    ),
    "JobSummary": record(
        SUMMARY,
        "A job without arguments, result, traceback and children; of a message the first 500 characters.",
    ),
    "JobList": record({"jobs": array(ref("JobSummary")), "next": TEXT_OR_NULL}),
    "Form": {
        "type": "object",
        "additionalProperties": TEXT,
        "description": "Arguments as a form sends them: a list as a repeated field, an object as JSON.",
    },
    "NewBatch": record({"jobs": {**array(BATCH_ENTRY), "minItems": 1}}),
    "Batch": record(BATCH, "Jobs that were submitted together; the first 1,000 are shown."),
    "Jobs": record({"batch": record({"id": ID, "links": record({"self": TEXT})}), "jobs": array(ref("Job"))}),
    "Deliveries": record(
        {"callback": TEXT_OR_NULL, "attempts": array(record(ATTEMPT))},
        "How a job's end was told to its callback, oldest attempt first.",
    ),
    "Log": record({"text": TEXT, "next": TEXT, "ended": FLAG, "cut": FLAG}, "Ask again with after=next."),
    "Task": record(TASK, "What can be submitted."),
    "TaskList": record({"tasks": array(ref("Task")), "version": TEXT}),
    "Worker": record(WORKER),
    "QueueList": record({"queues": array(record(QUEUE))}),
    "Schedule": record(SCHEDULE, "A periodic task."),
    "ScheduleList": record({"schedules": array(ref("Schedule"))}),
    "Health": record(
        {
            "status": {"type": "string", "enum": ["ok", "degraded", "unavailable"]},
            "redis": FLAG,
            "queues": {"type": "object", "additionalProperties": record({"workers": COUNT})},
            "catalog": TEXT,
        }
    ),
    "StoryStatus": record(
        {"status": TEXT, "result": {}, "message": TEXT_OR_NULL}, optional=("result", "message")
    ),
    "Problem": record(
        {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "instance": {"type": "string", "format": "uri"},
            "errors": array(record({"pointer": TEXT, "detail": TEXT})),
        },
        "RFC 9457.",
        optional=("instance", "errors"),
    ),
}
"""All schemas but those of the tasks."""
