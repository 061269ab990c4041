"""Settings come from the environment and are checked before anything starts."""

from __future__ import annotations

import pytest

from coatcheck.errors import SettingsError
from coatcheck.settings import SETTINGS, load, load_one

URL = {"REDIS_URL": "redis://localhost:6379/0"}

DEFAULTS = {
    "redis_url": "redis://localhost:6379/0",
    "stack": "coatcheck",
    "gateway_path": "",
    "auth": "none",
    "tokens": "",
    "tracebacks": "all",
    "cors_origins": (),
    "hosts": (),
    "callback_secret": "",
    "callback_hosts": (),
    "callback_queue": "",
    "callback_loopback": False,
    "redis_cluster": False,
    "redis_wait_replicas": 0,
    "signing_keys": "",
    "unsigned_jobs": "refuse",
    "aws_region": "",
    "redis_iam_user": "",
    "redis_iam_cache": "",
    "namespace": "coatcheck",
    "queues": ("default",),
    "catalog": "",
    "max_body": 1_048_576,
    "max_result": 1_048_576,
    "max_log": 1_048_576,
    "files": "",
    "files_endpoint": "",
    "max_file": 5 * 1024**3,
    "part_size": 100_000_000,
    "upload_ttl": 86_400,
    "inline_result": 262_144,
    "max_batch": 1000,
    "max_wait": 25,
    "wait_seats": 1000,
    "max_queued": 1_000_000,
    "max_waiting": 100_000,
    "jobs_per_minute": 60_000,
    "upload_bytes_per_day": 100_000_000_000,
    "default_timeout": 1800,
    "max_timeout": 86_400,
    "result_ttl": 86_400,
    "failure_ttl": 604_800,
    "idempotency_ttl": 86_400,
    "tasks": "worker_image.tasks",
    "worker_processes": 0,
    "worker_concurrency": 100,
    "worker_lease": 12,
    "worker_stop_timeout": 110,
    "worker_jobs_per_process": 100_000,
    "worker_memory_limit": 0,
    "worker_spool_limit": 64,
    "worker_unknown_task_wait": 600,
    "log_format": "text",
    "traces": "none",
    "metrics": "off",
    "worker_metrics": "off",
    "worker_metrics_port": 0,
}

VALID = [
    ("REDIS_URL", "rediss://user:secret@cache.example:6380/1", "rediss://user:secret@cache.example:6380/1"),
    ("REDIS_URL", "unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
    ("COATCHECK_STACK", "coatcheck-staging", "coatcheck-staging"),
    ("COATCHECK_GATEWAY_PATH", "/_aws/execute-api", "/_aws/execute-api"),
    ("COATCHECK_AUTH", "tokens", "tokens"),
    ("COATCHECK_AUTH", "iam", "iam"),
    ("COATCHECK_TOKENS", "/data/tokens.json", "/data/tokens.json"),
    ("COATCHECK_SIGNING_KEYS", "/data/signing-keys", "/data/signing-keys"),
    ("COATCHECK_UNSIGNED_JOBS", "run", "run"),
    ("COATCHECK_TRACEBACKS", "admin", "admin"),
    (
        "COATCHECK_CORS_ORIGINS",
        "https://a.example, http://localhost:3000",
        ("https://a.example", "http://localhost:3000"),
    ),
    ("COATCHECK_HOSTS", "desk.example", ("desk.example",)),
    ("COATCHECK_CALLBACK_SECRET", "/data/secret", "/data/secret"),
    ("COATCHECK_CALLBACK_HOSTS", "Example.com, *.example.net:8443", ("example.com", "*.example.net:8443")),
    ("COATCHECK_CALLBACK_QUEUE", "default", "default"),
    ("COATCHECK_CALLBACK_LOOPBACK", "1", True),
    ("REDIS_CLUSTER", "1", True),
    ("REDIS_CLUSTER", "0", False),
    ("REDIS_WAIT_REPLICAS", "2", 2),
    ("AWS_REGION", "eu-central-1", "eu-central-1"),
    ("COATCHECK_NAMESPACE", "shop.staging_2", "shop.staging_2"),
    ("COATCHECK_QUEUES", "fast, slow ,,fast", ("fast", "slow")),
    ("COATCHECK_CATALOG", "/opt/catalog.json", "/opt/catalog.json"),
    ("COATCHECK_MAX_BODY", "1024", 1024),
    ("COATCHECK_MAX_RESULT", "67108864", 67_108_864),
    ("COATCHECK_MAX_LOG", "2048", 2048),
    ("COATCHECK_FILES", "file:///var/lib/coatcheck%20files", "file:///var/lib/coatcheck%20files"),
    ("COATCHECK_FILES", "s3://my-bucket", "s3://my-bucket"),
    ("COATCHECK_FILES", "s3://my.bucket/some/prefix", "s3://my.bucket/some/prefix"),
    ("COATCHECK_FILES_ENDPOINT", "http://localhost:4566", "http://localhost:4566"),
    ("COATCHECK_MAX_FILE", "1000", 1000),
    ("COATCHECK_PART_SIZE", "5242880", 5_242_880),
    ("COATCHECK_UPLOAD_TTL", "3600", 3600),
    ("COATCHECK_INLINE_RESULT", "1024", 1024),
    ("COATCHECK_MAX_BATCH", "10000", 10_000),
    ("COATCHECK_MAX_WAIT", "0", 0),
    ("COATCHECK_WAIT_SEATS", "10000", 10_000),
    ("COATCHECK_MAX_QUEUED", "0", 0),
    ("COATCHECK_MAX_WAITING", "100000000", 100_000_000),
    ("COATCHECK_JOBS_PER_MINUTE", "1000000", 1_000_000),
    ("COATCHECK_UPLOAD_BYTES_PER_DAY", "0", 0),
    ("COATCHECK_DEFAULT_TIMEOUT", "1", 1),
    ("COATCHECK_MAX_TIMEOUT", "604800", 604_800),
    ("COATCHECK_RESULT_TTL", "60", 60),
    ("COATCHECK_FAILURE_TTL", "31536000", 31_536_000),
    ("COATCHECK_IDEMPOTENCY_TTL", "5", 5),
    ("COATCHECK_TASKS", "my.own.tasks", "my.own.tasks"),
    ("WORKER_PROCESSES", "256", 256),
    ("WORKER_CONCURRENCY", "1", 1),
    ("WORKER_LEASE", "2", 2),
    ("WORKER_STOP_TIMEOUT", "0", 0),
    ("WORKER_JOBS_PER_PROCESS", "1", 1),
    ("WORKER_MEMORY_LIMIT", "512", 512),
    ("WORKER_SPOOL_LIMIT", "0", 0),
    ("WORKER_UNKNOWN_TASK_WAIT", "0", 0),
    ("LOG_FORMAT", "json", "json"),
    ("OTEL_TRACES_EXPORTER", "otlp", "otlp"),
    ("COATCHECK_METRICS", "prometheus", "prometheus"),
    ("WORKER_METRICS", "emf", "emf"),
    ("WORKER_METRICS_PORT", "9100", 9100),
]

INVALID = [
    ("COATCHECK_AUTH", "off", "none or tokens or iam"),
    ("COATCHECK_TRACEBACKS", "some", "all or admin"),
    ("COATCHECK_CORS_ORIGINS", "*", "without a path"),
    ("COATCHECK_CORS_ORIGINS", "https://a.example/", "without a path"),
    ("COATCHECK_CORS_ORIGINS", "null", "without a path"),
    ("COATCHECK_HOSTS", "a b", "names of hosts"),
    ("COATCHECK_CALLBACK_HOSTS", " , ", "names of hosts"),
    ("COATCHECK_CALLBACK_HOSTS", "https://example.com", "names of hosts"),
    ("COATCHECK_CALLBACK_QUEUE", "a queue", "letters, digits"),
    ("COATCHECK_CALLBACK_LOOPBACK", "yes", "0 or 1"),
    ("REDIS_URL", "localhost:6379", "redis://"),
    ("REDIS_URL", "http://localhost", "redis://"),
    ("REDIS_URL", "redis:localhost", "redis://"),
    ("REDIS_URL", "redis://", "a host"),
    ("REDIS_URL", "redis://:6379/0", "a host"),
    ("REDIS_URL", "redis://[::1", "a host"),
    ("REDIS_URL", "redis://localhost:port/0", "a port"),
    ("REDIS_URL", "redis://localhost:99999/0", "a port"),
    ("REDIS_URL", "unix://", "the socket's path"),
    ("COATCHECK_STACK", "a stack", "letters, digits"),
    ("COATCHECK_GATEWAY_PATH", "_aws", "starts with /"),
    ("COATCHECK_GATEWAY_PATH", "/_aws/", "does not end with it"),
    ("COATCHECK_GATEWAY_PATH", "/a\n", "a path"),
    ("REDIS_CLUSTER", "yes", "0 or 1"),
    ("COATCHECK_MAX_WAIT", "26", "from 0 to 25"),
    ("COATCHECK_WAIT_SEATS", "0", "from 1 to 10000"),
    ("REDIS_WAIT_REPLICAS", "6", "from 0 to 5"),
    ("REDIS_IAM_USER", "Worker", "lower-case letters"),
    ("REDIS_IAM_CACHE", "x" * 41, "up to 40"),
    ("COATCHECK_NAMESPACE", "a}b", "letters, digits"),
    ("COATCHECK_NAMESPACE", "x" * 65, "up to 64"),
    ("COATCHECK_NAMESPACE", "name\n", "letters, digits"),
    ("COATCHECK_QUEUES", " , ", "at least one name"),
    ("COATCHECK_QUEUES", "good,b:ad", "letters, digits"),
    ("COATCHECK_QUEUES", "-first", "the first a letter or digit"),
    ("COATCHECK_UNSIGNED_JOBS", "1", "refuse or run"),
    ("COATCHECK_MAX_BODY", "1023", "from 1024 to 10485760"),
    ("COATCHECK_MAX_BODY", "10485761", "from 1024 to 10485760"),
    ("COATCHECK_MAX_BODY", "one", "a whole number"),
    ("COATCHECK_MAX_RESULT", "0", "a whole number"),
    ("COATCHECK_MAX_LOG", "-1", "a whole number"),
    ("COATCHECK_FILES", "/var/lib", "file:///path"),
    ("COATCHECK_FILES", "file://host/path", "file:///path"),
    ("COATCHECK_FILES", "s3://UPPER", "s3://bucket"),
    ("COATCHECK_FILES", "s3://bucket/", "s3://bucket"),
    ("COATCHECK_FILES_ENDPOINT", "http://localhost:4566/", "without a path"),
    ("COATCHECK_MAX_FILE", "0", "from 1 to 5497558138880"),
    ("COATCHECK_PART_SIZE", "1000", "from 5242880 to 5368709120"),
    ("COATCHECK_UPLOAD_TTL", "0", "from 1 to 2592000"),
    ("COATCHECK_INLINE_RESULT", "2000000", "from 1024 to 1048576"),
    ("COATCHECK_MAX_BATCH", "0", "from 1 to 10000"),
    ("COATCHECK_MAX_QUEUED", "-1", "a whole number"),
    ("COATCHECK_MAX_WAITING", "100000001", "from 0 to 100000000"),
    ("COATCHECK_JOBS_PER_MINUTE", "1000001", "from 0 to 1000000"),
    ("COATCHECK_UPLOAD_BYTES_PER_DAY", "-1", "from 0 to 109951162777600"),
    ("COATCHECK_DEFAULT_TIMEOUT", "1.5", "a whole number"),
    ("COATCHECK_DEFAULT_TIMEOUT", "86401", "from 1 to 86400"),
    ("COATCHECK_MAX_TIMEOUT", "604801", "from 1 to 604800"),
    ("COATCHECK_RESULT_TTL", "0", "a whole number"),
    ("COATCHECK_FAILURE_TTL", "1h", "a whole number"),
    ("COATCHECK_IDEMPOTENCY_TTL", "0", "a whole number"),
    ("COATCHECK_TASKS", "worker_image/tasks", "dotted name"),
    ("COATCHECK_TASKS", "tasks.", "dotted name"),
    ("WORKER_PROCESSES", "257", "from 0 to 256"),
    ("WORKER_CONCURRENCY", "0", "from 1 to 10000"),
    ("WORKER_LEASE", "1", "from 2 to 600"),
    ("WORKER_STOP_TIMEOUT", "3601", "from 0 to 3600"),
    ("WORKER_JOBS_PER_PROCESS", "0", "a whole number"),
    ("WORKER_MEMORY_LIMIT", "-1", "a whole number"),
    ("WORKER_SPOOL_LIMIT", "10001", "from 0 to 10000"),
    ("WORKER_UNKNOWN_TASK_WAIT", "86401", "from 0 to 86400"),
    ("LOG_FORMAT", "xml", "text or json"),
    ("OTEL_TRACES_EXPORTER", "console", "none or otlp"),
    ("COATCHECK_METRICS", "1", "off or prometheus"),
    ("WORKER_METRICS", "on", "off or emf"),
    ("WORKER_METRICS_PORT", "65536", "from 0 to 65535"),
]

PASSWORDS = [
    "http://user:{}@host",
    "http://:{}@host:1/0",
    "http://{}@host",
    "{}@host:6379",
    "user:{}@host:6379",
    "http://user:a@{}@host",
    "http://user:a/{}@host",
    "http://user:{}:b@host",
    "http://user:a\n{}@host",
    "redis://?password={}",
    "http://host/0?db=1&PASSWORD={}&x=y",
    "redis://user:{}@host:port",
    "redis://user:{}@",
]


def message(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value)


def test_given_only_the_url_everything_else_has_its_default() -> None:
    loaded = load(URL)
    assert {setting.field: getattr(loaded, setting.field) for setting in SETTINGS} == DEFAULTS


@pytest.mark.parametrize(("variable", "text", "value"), VALID)
def test_a_valid_value_is_parsed(variable: str, text: str, value: object) -> None:
    field = next(setting.field for setting in SETTINGS if setting.variable == variable)
    found = getattr(load(URL | {"AWS_REGION": "eu-west-1", variable: text}), field)
    assert found == value and type(found) is type(value)


def test_every_variable_is_parsed_by_a_test_and_refused_by_one_unless_any_text_will_do() -> None:
    together = {"REDIS_IAM_USER", "REDIS_IAM_CACHE"}
    assert {variable for variable, _, _ in VALID} == {s.variable for s in SETTINGS} - together
    free = {setting.variable for setting in SETTINGS if setting.parse is str}
    assert {variable for variable, _, _ in INVALID} == {s.variable for s in SETTINGS} - free


@pytest.mark.parametrize(("variable", "text", "right"), INVALID)
def test_an_invalid_value_is_refused_with_its_name_the_value_and_what_would_be_right(
    variable: str, text: str, right: str
) -> None:
    told = message(URL | {variable: text})
    assert told.startswith(f"{variable}={text!r} is not valid; it should be ")
    assert right in told.partition("it should be ")[2]


def test_one_setting_can_be_read_alone() -> None:
    assert load_one("tokens", {"COATCHECK_TOKENS": "/data/tokens.json"}) == "/data/tokens.json"
    assert load_one("auth", {}) == "none"
    with pytest.raises(SettingsError, match="COATCHECK_AUTH='off' is not valid"):
        load_one("auth", {"COATCHECK_AUTH": "off"})
    with pytest.raises(SettingsError, match="REDIS_URL is not set"):
        load_one("redis_url", {})


def test_several_faults_are_told_at_once() -> None:
    told = message({"COATCHECK_MAX_BODY": "x", "LOG_FORMAT": "y", "WORKER_LEASE": "5"})
    assert [part.partition("=")[0].split()[0] for part in told.split("; ") if part[0].isupper()] == [
        "REDIS_URL",
        "COATCHECK_MAX_BODY",
        "LOG_FORMAT",
    ]


@pytest.mark.parametrize("environ", [{}, {"REDIS_URL": ""}])
def test_a_missing_url_is_named_with_what_it_should_be(environ: dict[str, str]) -> None:
    assert message(environ) == (
        "REDIS_URL is not set; it should be a URL that starts with redis://, rediss:// or unix://"
    )


@pytest.mark.parametrize("variable", [s.variable for s in SETTINGS if s.variable != "REDIS_URL"])
def test_an_empty_variable_counts_as_not_set(variable: str) -> None:
    assert load(URL | {variable: ""}) == load(URL)


@pytest.mark.parametrize("url", PASSWORDS)
def test_a_refused_url_is_shown_without_its_password(url: str) -> None:
    told = message({"REDIS_URL": url.format("hunter2")})
    assert told.startswith("REDIS_URL='")
    assert "***" in told
    assert "hunter2" not in told


def test_the_url_keeps_its_password() -> None:
    assert load({"REDIS_URL": "redis://:hunter2@host"}).redis_url == "redis://:hunter2@host"


def test_without_an_argument_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://from-the-environment")
    assert load().redis_url == "redis://from-the-environment"


def test_the_prefix_is_the_namespace_as_a_hash_tag() -> None:
    assert load(URL | {"COATCHECK_NAMESPACE": "shop"}).prefix == "{shop}"


def test_a_bucket_needs_to_be_in_a_region() -> None:
    assert "AWS_REGION is not set; it should be the region of the bucket" in message(
        URL | {"COATCHECK_FILES": "s3://my-bucket"}
    )


IAM = {"REDIS_URL": "rediss://cache:6379/0", "AWS_REGION": "eu-central-1"}


def test_iam_settings_are_taken_together() -> None:
    loaded = load(IAM | {"REDIS_IAM_USER": "worker", "REDIS_IAM_CACHE": "cache-1"})
    assert (loaded.redis_iam_user, loaded.redis_iam_cache) == ("worker", "cache-1")


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"REDIS_IAM_USER": ""}, ["REDIS_IAM_USER and REDIS_IAM_CACHE"]),
        ({"REDIS_IAM_CACHE": ""}, ["REDIS_IAM_USER and REDIS_IAM_CACHE"]),
        ({"REDIS_URL": "redis://cache"}, ["REDIS_URL should start with rediss://"]),
        ({"AWS_REGION": ""}, ["AWS_REGION is not set"]),
        ({"AWS_REGION": "", "REDIS_URL": "redis://cache"}, ["REDIS_URL", "AWS_REGION"]),
    ],
)
def test_iam_settings_that_contradict_each_other_are_refused(
    changed: dict[str, str], names: list[str]
) -> None:
    told = message(IAM | {"REDIS_IAM_USER": "worker", "REDIS_IAM_CACHE": "cache-1"} | changed)
    assert all(name in told for name in names)
    assert len(told.split("; ")) >= len(names)


def test_a_default_time_out_beyond_the_longest_one_is_refused() -> None:
    told = message({"REDIS_URL": "redis://x", "COATCHECK_MAX_TIMEOUT": "60"})
    assert "COATCHECK_DEFAULT_TIMEOUT=1800 should not be more than COATCHECK_MAX_TIMEOUT=60" in told


def test_a_queue_for_callbacks_that_nobody_serves_is_refused() -> None:
    assert "should be one of COATCHECK_QUEUES" in message(URL | {"COATCHECK_CALLBACK_QUEUE": "hooks"})
    both = {"COATCHECK_CALLBACK_QUEUE": "hooks", "COATCHECK_QUEUES": "default,hooks"}
    assert load(URL | both).callback_queue == "hooks"
