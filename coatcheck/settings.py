"""All settings, read from the environment in one place and checked before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from coatcheck.errors import SettingsError

REDIS_SCHEMES = ("redis", "rediss", "unix")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a queue or a namespace may be called: it becomes part of Redis keys."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, how it is parsed, its default and what it means."""

    field: str
    variable: str
    parse: Callable[[str], Any]
    default: Any
    help: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings of one process. Sizes are bytes, times are seconds."""

    redis_url: str
    stack: str
    gateway_path: str
    auth: str
    tokens: str
    signing_keys: str
    unsigned_jobs: str
    tracebacks: str
    cors_origins: tuple[str, ...]
    hosts: tuple[str, ...]
    callback_secret: str
    callback_hosts: tuple[str, ...]
    callback_queue: str
    callback_loopback: bool
    redis_cluster: bool
    redis_wait_replicas: int
    aws_region: str
    redis_iam_user: str
    redis_iam_cache: str
    namespace: str
    queues: tuple[str, ...]
    catalog: str
    max_body: int
    max_result: int
    max_log: int
    files: str
    files_endpoint: str
    max_file: int
    part_size: int
    upload_ttl: int
    upload_bytes_per_day: int
    inline_result: int
    max_batch: int
    max_wait: int
    wait_seats: int
    max_queued: int
    max_waiting: int
    jobs_per_minute: int
    default_timeout: int
    max_timeout: int
    result_ttl: int
    failure_ttl: int
    idempotency_ttl: int
    tasks: str
    worker_processes: int
    worker_concurrency: int
    worker_lease: int
    worker_stop_timeout: int
    worker_jobs_per_process: int
    worker_memory_limit: int
    worker_spool_limit: int
    worker_unknown_task_wait: int
    log_format: str
    traces: str
    metrics: str
    worker_metrics: str
    worker_metrics_port: int

    @property
    def prefix(self) -> str:
        """The prefix of all keys, as RQ takes it from ``RQ_KEY_PREFIX``.

        The braces make it a hash tag (Redis Cluster specification): all keys share one slot, so
        that transactions over several keys work on a cluster too.
        """
        return "{" + self.namespace + "}"


def _redis_url(text: str) -> str:
    if not text.startswith(tuple(f"{scheme}://" for scheme in REDIS_SCHEMES)):
        raise ValueError("a URL that starts with redis://, rediss:// or unix://")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("a URL with a host and a port, such as redis://localhost:6379/0") from None
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("a URL with the socket's path, such as unix:///run/redis.sock")
    elif not host:
        raise ValueError("a URL with a host, such as redis://localhost:6379/0")
    return text


def _path(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", text):
        raise ValueError("a path that starts with / and does not end with it, such as /_aws/execute-api")
    return text


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


def _cache_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", text):
        raise ValueError("up to 40 lower-case letters, digits or '-'")
    return text


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("up to 64 letters, digits, '_', '-' or '.', the first a letter or digit")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise ValueError("at least one name; several are separated by commas")
    return tuple(dict.fromkeys(_name(name) for name in names))


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not hosts or not all(re.fullmatch(r"(\*\.)?[a-z0-9.-]+(:[0-9]{1,5})?", host) for host in hosts):
        raise ValueError("names of hosts, such as example.com or *.example.com, separated by commas")
    return hosts


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    if not origins or not all(re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", each) for each in origins):
        raise ValueError("origins such as https://example.com, without a path, separated by commas")
    return origins


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", text):
        raise ValueError("an origin such as http://localhost:4566, without a path")
    return text


def _package(text: str) -> str:
    if not all(part.isidentifier() for part in text.split(".")):
        raise ValueError("the dotted name of a Python package, such as worker_image.tasks")
    return text


def _files(text: str) -> str:
    if re.fullmatch(r"file:///[^?#]*", text):
        return text
    if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()-]+)*", text):
        return text
    raise ValueError("file:///path of a folder, or s3://bucket with a prefix or without")


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(" or ".join(choices))
        return text

    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return parse


MIB = 1024 * 1024
GIB = 1024 * MIB
TIB = 1024 * GIB
DAY = 24 * 3600
YEAR = 365 * DAY
LONGEST_WAIT = 25
"""Seconds. API Gateway gives up after 29 (AWS: "Amazon API Gateway quotas"), and an answer takes up to 3."""

SETTINGS: tuple[Setting, ...] = (
    Setting("redis_url", "REDIS_URL", _redis_url, None, "The Redis or Valkey server that holds the jobs."),
    Setting("stack", "COATCHECK_STACK", _name, "coatcheck", "Name of the deployed stack, for its metrics."),
    Setting(
        "gateway_path",
        "COATCHECK_GATEWAY_PATH",
        _path,
        "",
        "Path of a gateway that tells APIs apart by path, not by host: LocalStack's is /_aws/execute-api.",
    ),
    Setting(
        "auth",
        "COATCHECK_AUTH",
        _choice("none", "tokens", "iam"),
        "none",
        "Who may call the API: none: everybody; tokens: who has a token; iam: whom AWS IAM allows it.",
    ),
    Setting(
        "tokens",
        "COATCHECK_TOKENS",
        str,
        "",
        "Where the tokens are: a file, or a secret's ARN; empty: API Gateway has looked at them already.",
    ),
    Setting(
        "signing_keys",
        "COATCHECK_SIGNING_KEYS",
        str,
        "",
        "Where the keys are that sign jobs: a file, or a secret's ARN; empty: jobs are not signed.",
    ),
    Setting(
        "unsigned_jobs",
        "COATCHECK_UNSIGNED_JOBS",
        _choice("refuse", "run"),
        "refuse",
        "With signing keys: refuse jobs that are not signed, or run them while signing is being switched on.",
    ),
    Setting(
        "tracebacks",
        "COATCHECK_TRACEBACKS",
        _choice("all", "admin"),
        "all",
        "Who sees the tracebacks of failed jobs: all who see the job, or only who has the scope admin.",
    ),
    Setting(
        "cors_origins",
        "COATCHECK_CORS_ORIGINS",
        _origins,
        (),
        "Origins whose pages may use the API, such as https://example.com, separated by commas; empty: none.",
    ),
    Setting(
        "hosts",
        "COATCHECK_HOSTS",
        _hosts,
        (),
        "Further names of this machine that coatcheck up answers to while authentication is off.",
    ),
    Setting(
        "callback_secret",
        "COATCHECK_CALLBACK_SECRET",
        str,
        "",
        "Where the secret is that callbacks are signed with: a file, or a secret's ARN; empty: no callbacks.",
    ),
    Setting(
        "callback_hosts",
        "COATCHECK_CALLBACK_HOSTS",
        _hosts,
        (),
        "Hosts that callbacks may go to, such as example.com,*.example.com:8443; empty: all public ones.",
    ),
    Setting(
        "callback_queue",
        "COATCHECK_CALLBACK_QUEUE",
        _name,
        "",
        "Queue for the deliveries of callbacks, one of COATCHECK_QUEUES; empty: the queue of the job.",
    ),
    Setting(
        "callback_loopback",
        "COATCHECK_CALLBACK_LOOPBACK",
        _switch,
        False,
        "1, for tests: callbacks may go to this machine, to any port, and by http.",
    ),
    Setting("redis_cluster", "REDIS_CLUSTER", _switch, False, "1 when Redis runs in cluster mode."),
    Setting(
        "redis_wait_replicas",
        "REDIS_WAIT_REPLICAS",
        _integer(0, 5),
        0,
        "Replicas that must have a job before its submission is answered with 202.",
    ),
    Setting("aws_region", "AWS_REGION", str, "", "Region of AWS; Lambda and ECS set it."),
    Setting(
        "redis_iam_user",
        "REDIS_IAM_USER",
        _cache_name,
        "",
        "User of ElastiCache to log in as with the process' IAM identity; empty: the URL's password.",
    ),
    Setting(
        "redis_iam_cache",
        "REDIS_IAM_CACHE",
        _cache_name,
        "",
        "Id of ElastiCache's replication group, for IAM.",
    ),
    Setting("namespace", "COATCHECK_NAMESPACE", _name, "coatcheck", "Prefix of every key in Redis."),
    Setting(
        "queues",
        "COATCHECK_QUEUES",
        _names,
        ("default",),
        "Queues, separated by commas; the first is the default.",
    ),
    Setting(
        "catalog",
        "COATCHECK_CATALOG",
        str,
        "",
        "Path of catalog.json; empty: the one in the function package.",
    ),
    Setting(
        "max_body", "COATCHECK_MAX_BODY", _integer(1024, 10 * MIB), MIB, "Largest request body, in bytes."
    ),
    Setting(
        "max_result",
        "COATCHECK_MAX_RESULT",
        _integer(1024, 64 * MIB),
        MIB,
        "Largest result as JSON, in bytes.",
    ),
    Setting(
        "max_log",
        "COATCHECK_MAX_LOG",
        _integer(1024, 64 * MIB),
        MIB,
        "Most bytes of a job's log; the newest are kept.",
    ),
    Setting(
        "files",
        "COATCHECK_FILES",
        _files,
        "",
        "Where files are kept: file:///path of a folder, or s3://bucket/prefix; empty: there are none.",
    ),
    Setting(
        "files_endpoint",
        "COATCHECK_FILES_ENDPOINT",
        _origin,
        "",
        "Where an S3 that is not AWS's answers clients, such as http://localhost:4566; us: AWS_ENDPOINT_URL.",
    ),
    Setting(
        "max_file", "COATCHECK_MAX_FILE", _integer(1, 5 * 1024 * GIB), 5 * GIB, "Largest file, in bytes."
    ),
    Setting(
        "part_size",
        "COATCHECK_PART_SIZE",
        _integer(5 * MIB, 5 * GIB),
        100_000_000,
        "A larger file is uploaded in parts of that many bytes.",
    ),
    Setting(
        "upload_ttl",
        "COATCHECK_UPLOAD_TTL",
        _integer(1, 30 * DAY),
        DAY,
        "How long an uploaded file is kept that no job uses, in seconds.",
    ),
    Setting(
        "upload_bytes_per_day",
        "COATCHECK_UPLOAD_BYTES_PER_DAY",
        _integer(0, 100 * TIB),
        100_000_000_000,
        "Most bytes of uploads that one token begins in a day, at once or spread; 0: no limit.",
    ),
    Setting(
        "inline_result",
        "COATCHECK_INLINE_RESULT",
        _integer(1024, MIB),
        256 * 1024,
        "Where files are on, a larger result as JSON, in bytes, is kept as a file.",
    ),
    Setting("max_batch", "COATCHECK_MAX_BATCH", _integer(1, 10_000), 1000, "Most jobs in one POST /jobs."),
    Setting(
        "max_wait",
        "COATCHECK_MAX_WAIT",
        _integer(0, LONGEST_WAIT),
        LONGEST_WAIT,
        "Longest that a request may wait for a job's end, in seconds; 0: none waits.",
    ),
    Setting(
        "wait_seats",
        "COATCHECK_WAIT_SEATS",
        _integer(1, 10_000),
        1000,
        "Requests that may wait at once; any more are answered at once.",
    ),
    Setting(
        "max_queued",
        "COATCHECK_MAX_QUEUED",
        _integer(0, 100_000_000),
        1_000_000,
        "Most jobs that wait on a queue, scheduled ones too; 0: as many as Redis holds.",
    ),
    Setting(
        "max_waiting",
        "COATCHECK_MAX_WAITING",
        _integer(0, 100_000_000),
        100_000,
        "Most jobs of one token that wait at once; 0: no limit.",
    ),
    Setting(
        "jobs_per_minute",
        "COATCHECK_JOBS_PER_MINUTE",
        _integer(0, 1_000_000),
        60_000,
        "Most jobs that one token submits in a minute, at once or spread; 0: no limit.",
    ),
    Setting(
        "default_timeout",
        "COATCHECK_DEFAULT_TIMEOUT",
        _integer(1, DAY),
        1800,
        "Time-out of a job, in seconds.",
    ),
    Setting(
        "max_timeout",
        "COATCHECK_MAX_TIMEOUT",
        _integer(1, 7 * DAY),
        DAY,
        "Longest time-out to ask for, in seconds.",
    ),
    Setting(
        "result_ttl",
        "COATCHECK_RESULT_TTL",
        _integer(1, YEAR),
        DAY,
        "How long a finished job is kept, in seconds.",
    ),
    Setting(
        "failure_ttl",
        "COATCHECK_FAILURE_TTL",
        _integer(1, YEAR),
        7 * DAY,
        "How long a failed, stopped or canceled job is kept, in seconds.",
    ),
    Setting(
        "idempotency_ttl",
        "COATCHECK_IDEMPOTENCY_TTL",
        _integer(1, YEAR),
        DAY,
        "How long an Idempotency-Key is remembered, in seconds.",
    ),
    Setting(
        "tasks", "COATCHECK_TASKS", _package, "worker_image.tasks", "Package whose modules hold the tasks."
    ),
    Setting(
        "worker_processes", "WORKER_PROCESSES", _integer(0, 256), 0, "Worker processes; 0: one for each core."
    ),
    Setting(
        "worker_concurrency",
        "WORKER_CONCURRENCY",
        _integer(1, 10_000),
        100,
        "Async tasks that a worker process runs at once; 1: one after another, like plain ones.",
    ),
    Setting(
        "worker_lease",
        "WORKER_LEASE",
        _integer(2, 600),
        12,
        "Seconds after which a worker that shows no sign of life has lost its job.",
    ),
    Setting(
        "worker_stop_timeout",
        "WORKER_STOP_TIMEOUT",
        _integer(0, 3600),
        110,
        "Seconds that a running job gets to finish after SIGTERM, before it is put back on its queue.",
    ),
    Setting(
        "worker_jobs_per_process",
        "WORKER_JOBS_PER_PROCESS",
        _integer(1, 1_000_000_000),
        100_000,
        "Jobs that one work-horse process runs before it is replaced.",
    ),
    Setting(
        "worker_memory_limit",
        "WORKER_MEMORY_LIMIT",
        _integer(0, 1_000_000),
        0,
        "MiB of memory after which a work-horse process is replaced between two jobs; 0: none.",
    ),
    Setting(
        "worker_spool_limit",
        "WORKER_SPOOL_LIMIT",
        _integer(0, 10_000),
        64,
        "MiB below /tmp for ends of jobs that a worker can't record while Redis is away.",
    ),
    Setting(
        "worker_unknown_task_wait",
        "WORKER_UNKNOWN_TASK_WAIT",
        _integer(0, DAY),
        600,
        "Seconds that a job waits for a worker that has its task, before it fails.",
    ),
    Setting(
        "log_format", "LOG_FORMAT", _choice("text", "json"), "text", "How API and workers log: text or json."
    ),
    Setting(
        "traces",
        "OTEL_TRACES_EXPORTER",
        _choice("none", "otlp"),
        "none",
        "otlp: send OpenTelemetry traces; OpenTelemetry's own variables tell where to, and how many.",
    ),
    Setting(
        "metrics",
        "COATCHECK_METRICS",
        _choice("off", "prometheus"),
        "off",
        "prometheus: the API has GET /metrics, the figures of all queues.",
    ),
    Setting(
        "worker_metrics",
        "WORKER_METRICS",
        _choice("off", "emf"),
        "off",
        "emf: workers log the figures of their jobs each minute, as CloudWatch's embedded metrics.",
    ),
    Setting(
        "worker_metrics_port",
        "WORKER_METRICS_PORT",
        _integer(0, 65_535),
        0,
        "Port on which each pool of workers answers GET /metrics, for Prometheus; 0: none.",
    ),
)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting.

    Takes the environment (default: ``os.environ``). An empty variable counts as not set.

    Raises SettingsError: names every missing or invalid setting, its value and what would be right.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for setting in SETTINGS:
        try:
            values[setting.field] = _value(setting, environ)
        except ValueError as error:
            wrong.append(str(error))
    if not wrong:
        wrong = _contradictions(values, environ)
    if wrong:
        raise SettingsError("; ".join(wrong))
    return Settings(**values)


def load_one(field: str, environ: Mapping[str, str] | None = None) -> Any:
    """Read and check one setting, for a process that needs no other. Raises SettingsError."""
    [setting] = [setting for setting in SETTINGS if setting.field == field]
    try:
        return _value(setting, os.environ if environ is None else environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _value(setting: Setting, environ: Mapping[str, str]) -> Any:
    """A setting's value. Raises ValueError: says what would be right."""
    text = environ.get(setting.variable, "")
    if not text:
        if setting.default is None:
            raise ValueError(f"{setting.variable} is not set; it should be {_expected(setting)}")
        return setting.default
    try:
        return setting.parse(text)
    except ValueError as error:
        raise ValueError(f"{setting.variable}={_shown(text)!r} is not valid; it should be {error}") from None


def _contradictions(values: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """What is wrong with settings that are valid one by one."""
    wrong = []
    if values["default_timeout"] > values["max_timeout"]:
        wrong.append(
            f"COATCHECK_DEFAULT_TIMEOUT={values['default_timeout']} should not be more than"
            f" COATCHECK_MAX_TIMEOUT={values['max_timeout']}"
        )
    if values["callback_queue"] not in ("", *values["queues"]):
        wrong.append(
            f"COATCHECK_CALLBACK_QUEUE={values['callback_queue']!r} should be one of COATCHECK_QUEUES"
        )
    if values["files"].startswith("s3:") and not environ.get("AWS_REGION"):
        wrong.append("AWS_REGION is not set; it should be the region of the bucket in COATCHECK_FILES")
    if not values["redis_iam_user"] and not values["redis_iam_cache"]:
        return wrong
    if not (values["redis_iam_user"] and values["redis_iam_cache"]):
        wrong.append("REDIS_IAM_USER and REDIS_IAM_CACHE belong together; set both or none")
    if not values["redis_url"].startswith("rediss:"):
        wrong.append("REDIS_URL should start with rediss:// since ElastiCache takes IAM over TLS only")
    if not environ.get("AWS_REGION"):
        wrong.append("AWS_REGION is not set; it should be the cache's region")
    return wrong


def _expected(setting: Setting) -> str:
    try:
        setting.parse("")
    except ValueError as error:
        return str(error)
    return "set"


def _shown(text: str) -> str:
    """A value fit for an error message: without the user and the password of a URL.

    A password may hold any character, also those that should be percent-encoded: all before the last @ goes.
    """
    text = re.sub(r"(?s)^([A-Za-z]+://)?.*@", r"\1***@", text)
    return re.sub(r"(?is)(password=)[^&]*", r"\1***", text)


assert [setting.field for setting in SETTINGS] == [field.name for field in fields(Settings)]
