"""Files over the API: what is taken, who may have it, and what a job is given of it."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from chalicelib import context as contexts
from chalicelib.context import Context, current
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.connection import connect
from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import DAY, key_of, moved, new_upload_id, owner_of, read_id, result_id
from coatcheck.files.records import FileRecords
from coatcheck.job import parse_time, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import MIB
from tests.coatcheck.conftest import WorkerByHand, worker
from tests.functions.client import FORM, Api
from tests.functions.test_owners import As, as_caller

__all__ = ["as_caller", "worker"]

FILE = {
    "type": "object",
    "format": "coatcheck-file",
    "properties": {"$file": {"type": "string"}},
    "required": ["$file"],
}
TABLE = TaskSpec(
    name="files.read",
    title="Read",
    description="Takes files.",
    schema={
        "type": "object",
        "properties": {
            "table": {**FILE, "x-types": ["text/csv", "image/*"], "x-max-size": 10},
            "more": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/File"}, {"type": "null"}]}},
            "any": {"type": "object"},
        },
        "additionalProperties": False,
        "$defs": {"File": FILE},
    },
)
READ = "/tasks/files.read"
TEXT = b"a,b\n1,2\n"
NEW = {"name": "a.csv", "type": "text/csv", "size": len(TEXT)}


@pytest.fixture
def files_on(context: Context, change: Callable[..., None], tmp_path: Path) -> Callable[..., None]:
    """The app with files in a folder and a task that takes some; may be called to change settings again."""

    def on(**values: Any) -> None:
        change(files=(tmp_path / "files").as_uri(), **values)
        made = current()
        contexts.use(Context(made.settings, Catalog((*context.catalog.tasks, TABLE)), made.adapter))

    on()
    return on


@pytest.fixture
def desk_api(files_on: Callable[..., None]) -> Api:
    return Api()


def store() -> FolderStore:
    desk = current().adapter.files
    assert desk is not None and isinstance(desk.store, FolderStore)
    return desk.store


def put(upload: Any, data: bytes, *numbers: int) -> None:
    """Send parts of an upload where its document says."""
    for part in upload["parts"]:
        if not numbers or part["number"] in numbers:
            start = (part["number"] - 1) * (upload["part_size"] or 0)
            kind = part["headers"].get("Content-Type", "")
            store().receive(part["url"], io.BytesIO(data[start : start + part["size"]]), part["size"], kind)


def uploaded(api: Api, data: bytes = TEXT, **more: Any) -> str:
    """A file that is complete. Returns its id."""
    begun = api.post("/uploads", {**NEW, "size": len(data), **more})
    assert begun.status == 201, begun
    put(begun.json, data)
    complete = api.post(f"/uploads/{begun.json['id']}/complete")
    assert complete.status == 200, complete
    return str(complete.json["$file"])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def link_reads(url: str) -> bytes:
    file, _, _ = store().find(url)
    with file:
        return file.read()


def test_an_upload_is_begun_sent_and_completed(desk_api: Api) -> None:
    begun = desk_api.post("/uploads", NEW)
    upload = begun.json
    assert begun.status == 201
    assert begun.headers["location"] == f"/uploads/{upload['id']}" == upload["links"]["self"]
    assert (upload["status"], upload["count"], upload["part_size"], upload["arrived"]) == (
        "waiting",
        1,
        None,
        [],
    )
    assert upload["file"] == {
        "$file": upload["id"], "name": "a.csv", "type": "text/csv", "size": 8,
        "sha256": None, "url": None, "expires_at": None,
    }  # fmt: skip
    [part] = upload["parts"]
    assert (part["number"], part["size"], part["method"], part["headers"]) == (
        1, 8, "PUT", {"Content-Type": "text/csv"}
    )  # fmt: skip
    assert parse_time(upload["expires_at"]) - utcnow() == pytest.approx(
        timedelta(days=1), abs=timedelta(minutes=1)
    )
    put(upload, TEXT)
    seen = desk_api.get(f"/uploads/{upload['id']}").json
    assert (seen["status"], seen["arrived"], seen["parts"]) == ("waiting", [{"number": 1, "size": 8}], [])
    complete = desk_api.post(f"/uploads/{upload['id']}/complete")
    assert complete.status == 200
    assert complete.json["sha256"] == hashlib.sha256(TEXT).hexdigest()
    assert link_reads(complete.json["url"]) == TEXT
    assert desk_api.post(f"/uploads/{upload['id']}/complete").json == complete.json
    seen = desk_api.get(f"/uploads/{upload['id']}").json
    assert (seen["status"], seen["file"], seen["parts"]) == ("complete", complete.json, [])


def test_a_large_file_comes_in_parts_and_goes_on_where_it_stopped(
    files_on: Callable[..., None], desk_api: Api
) -> None:
    files_on(part_size=5 * MIB)
    data = bytes(range(256)) * (11 * MIB // 256)
    begun = desk_api.post("/uploads", {**NEW, "size": len(data)}).json
    assert (begun["count"], begun["part_size"]) == (3, 5 * MIB)
    assert [part["size"] for part in begun["parts"]] == [5 * MIB, 5 * MIB, MIB]
    put(begun, data, 1, 3)
    seen = desk_api.get(f"/uploads/{begun['id']}").json
    assert [part["number"] for part in seen["arrived"]] == [1, 3]
    assert [part["number"] for part in seen["parts"]] == [2]
    early = desk_api.post(f"/uploads/{begun['id']}/complete")
    assert early.is_problem(409, "upload-incomplete") and early.errors == {"/parts/2": "is missing"}
    put(seen, data)
    sums = [{"number": 2, "sha256": hashlib.sha256(data[5 * MIB : 10 * MIB]).hexdigest()}]
    complete = desk_api.post(f"/uploads/{begun['id']}/complete", {"parts": sums}).json
    assert complete["sha256"] == hashlib.sha256(data).hexdigest()


def test_links_of_many_parts_come_a_hundred_at_a_time(files_on: Callable[..., None], desk_api: Api) -> None:
    files_on(part_size=5 * MIB)
    begun = desk_api.post("/uploads", {**NEW, "size": 5 * MIB * 250}).json
    assert [part["number"] for part in begun["parts"]] == [*range(1, 101)]
    more = desk_api.get(f"/uploads/{begun['id']}?parts=201-300").json
    assert [part["number"] for part in more["parts"]] == [*range(201, 251)]
    more = desk_api.get(f"/uploads/{begun['id']}?parts=50-250").json
    assert [part["number"] for part in more["parts"]] == [*range(50, 150)]
    assert desk_api.get(f"/uploads/{begun['id']}?parts=5-1").json["parts"] == []
    for text in ("1", "0-5", "a-b", ""):
        wrong = desk_api.get(f"/uploads/{begun['id']}?parts={text}")
        assert wrong.is_problem(400, "invalid-request") and "?parts" in wrong.errors


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"name": ""}, {"/name"}),
        ({"name": "../a"}, {"/name"}),
        ({"name": "a\\b"}, {"/name"}),
        ({"name": "a\nb"}, {"/name"}),
        ({"name": "ü" * 128}, {"/name"}),
        ({"name": 5, "size": "x"}, {"/name", "/size"}),
        ({"size": -1}, {"/size"}),
        ({"size": True}, {"/size"}),
        ({"size": 1.5}, {"/size"}),
        ({"size": 5 * 1024**3 + 1}, {"/size"}),
        ({"type": "csv"}, {"/type"}),
        ({"type": 5}, {"/type"}),
        ({"sha256": "x"}, {"/sha256"}),
        ({"sha256": "A" * 64}, {"/sha256"}),
        ({"owner": "ben", "a/b": 1}, {"/owner", "/a~1b"}),
    ],
)
def test_what_no_file_can_be_is_refused(desk_api: Api, changed: Any, pointers: set[str]) -> None:
    refused = desk_api.post("/uploads", NEW | changed)
    assert refused.is_problem(422, "invalid-upload")
    assert refused.errors.keys() == pointers


def test_a_name_and_a_size_are_needed_and_the_type_is_told_by_the_name(desk_api: Api) -> None:
    assert desk_api.post("/uploads", {}).errors.keys() == {"/name", "/size"}
    for name, kind in (
        ("a.png", "image/png"),
        ("a", "application/octet-stream"),
        ("a.csv.gz", "application/octet-stream"),
    ):
        assert desk_api.post("/uploads", {"name": name, "size": 1}).json["file"]["type"] == kind
    assert (
        desk_api.post("/uploads", NEW | {"type": "Text/CSV; charset=utf-8"}).json["file"]["type"]
        == "text/csv"
    )


def test_what_is_said_of_parts_has_to_make_sense(desk_api: Api) -> None:
    upload = desk_api.post("/uploads", NEW).json["id"]
    bodies: list[Any] = [{"parts": 5}, {"parts": [{}, {}]}, {"part": []}]
    for body in bodies:
        assert desk_api.post(f"/uploads/{upload}/complete", body).is_problem(422, "invalid-upload")
    for part in ({"number": 2}, {"number": True}, {"number": 1, "sha256": "x"}, {"number": 1, "x": 1}, 5):
        wrong = desk_api.post(f"/uploads/{upload}/complete", {"parts": [part]})
        assert wrong.is_problem(422, "invalid-upload") and wrong.errors.keys() == {"/parts/0"}


def test_a_part_with_another_checksum_is_refused(desk_api: Api) -> None:
    begun = desk_api.post("/uploads", NEW).json
    put(begun, TEXT)
    address = f"/uploads/{begun['id']}/complete"
    wrong = desk_api.post(address, {"parts": [{"number": 1, "sha256": "0" * 64}]})
    assert wrong.is_problem(422, "file-mismatch")
    found = hashlib.sha256(TEXT).hexdigest()
    assert wrong.errors == {"/parts/1": f"has the SHA-256 {found}, not {'0' * 64}"}
    assert desk_api.post(address).is_problem(409, "upload-incomplete")


def test_all_parts_with_other_checksums_are_named_and_no_others_are_sent_again(
    files_on: Callable[..., None], desk_api: Api
) -> None:
    files_on(part_size=5 * MIB)
    data = bytes(11 * MIB)
    begun = desk_api.post("/uploads", {**NEW, "size": len(data)}).json
    put(begun, data)
    sums = [{"number": 1, "sha256": "0" * 64}, {"number": 2}, {"number": 3, "sha256": "1" * 64}]
    wrong = desk_api.post(f"/uploads/{begun['id']}/complete", {"parts": sums})
    assert wrong.is_problem(422, "file-mismatch") and wrong.errors.keys() == {"/parts/1", "/parts/3"}
    assert [part["number"] for part in desk_api.get(f"/uploads/{begun['id']}").json["parts"]] == [1, 3]


def test_a_file_is_deleted_with_all_that_has_arrived_of_it(desk_api: Api) -> None:
    begun = desk_api.post("/uploads", NEW).json
    put(begun, TEXT)
    for file_id in (begun["id"], uploaded(desk_api)):
        assert desk_api.request("DELETE", f"/uploads/{file_id}").status == 204
        assert desk_api.get(f"/uploads/{file_id}").is_problem(404, "unknown-file")
    assert [path for path in store().folder.rglob("*") if path.is_file() and path.name != ".secret"] == []


def test_where_files_are_off_it_says_so(api: Api) -> None:
    for method, path in (("POST", "/uploads"), ("GET", "/uploads/x"), ("DELETE", "/uploads/x")):
        assert api.request(method, path, b"{}" if method == "POST" else None).is_problem(404, "files-off")
    refused = api.post("/tasks/examples.echo", {"value": {"$file": "x"}})
    assert refused.status in (404, 422)


def test_a_job_is_given_a_file_and_shows_it(desk_api: Api, worker: WorkerByHand) -> None:
    file_id = uploaded(desk_api)
    for given in ({"$file": file_id}, desk_api.get(f"/uploads/{file_id}").json["file"]):
        submitted = desk_api.post(READ, {"table": given, "more": [None, {"$file": file_id}]})
        assert submitted.status == 202, submitted
        shown = submitted.json["arguments"]["table"]
        assert (shown["$file"], shown["name"], shown["type"], shown["size"]) == (
            file_id,
            "a.csv",
            "text/csv",
            8,
        )
        assert link_reads(shown["url"]) == TEXT
        assert submitted.json["arguments"]["more"] == [None, shown]
        assert desk_api.get(f"/jobs/{submitted.json['id']}").json["arguments"] == submitted.json["arguments"]
        told = worker.redis.hget(worker.keys.job(submitted.json["id"]), "data")
        assert told is not None and b"url" not in told


def test_a_link_stays_the_same_for_a_while_so_that_a_document_does_not_change(
    desk_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk_api.post(READ, {"table": {"$file": uploaded(desk_api)}}).json["id"]
    desk = current().adapter.files
    tags = []
    for now in (1_800_000_000, 1_800_000_299, 1_800_000_300):
        monkeypatch.setattr(desk, "_clock", lambda now=now: now)
        seen = desk_api.get(f"/jobs/{job}")
        tags.append(seen.headers["etag"])
        ends = parse_time(seen.json["arguments"]["table"]["expires_at"]).timestamp()
        assert 900 <= ends - now <= 1200
    assert tags[0] == tags[1] != tags[2]


def test_what_is_no_file_is_told_how_one_is_written(desk_api: Api) -> None:
    values: list[Any] = ["a.csv", 5, []]
    for value in values:
        refused = desk_api.post(READ, {"table": value})
        assert refused.errors == {"/table": 'must be a file, {"$file": id}'}
    assert desk_api.post(READ, {"table": {}}).errors == {"/table/$file": "is required"}


def test_a_form_has_a_file_by_its_id(desk_api: Api) -> None:
    file_id = uploaded(desk_api)
    body, headers = f"table={file_id}&more={file_id}&more={file_id}", {"content-type": FORM}
    shown = desk_api.request("POST", READ, body, headers).json["arguments"]
    assert shown["table"]["$file"] == file_id and len(shown["more"]) == 2


def test_the_page_may_use_the_links_of_a_place_that_is_elsewhere(
    desk_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = desk_api.get("/").headers["content-security-policy"]
    assert "img-src 'self'; connect-src 'self';" in own
    monkeypatch.setattr(FolderStore, "origin", "https://files.example")
    policy = desk_api.get("/").headers["content-security-policy"]
    elsewhere = "'self' https://files.example;"
    assert policy == own.replace(
        "img-src 'self'; connect-src 'self';", f"img-src {elsewhere} connect-src {elsewhere}"
    )


@pytest.mark.parametrize(
    ("data", "more", "detail"),
    [
        (TEXT, {"type": "text/html"}, "of type text/csv or image/*, not text/html"),
        (TEXT + b"3,4\n", {}, "of at most 10 bytes, not 12"),
    ],
)
def test_a_file_that_does_not_fit_the_rules_is_refused(
    desk_api: Api, data: bytes, more: Any, detail: str
) -> None:
    file_id = uploaded(desk_api, data, **more)
    refused = desk_api.post(READ, {"table": {"$file": file_id}})
    assert refused.is_problem(422, "invalid-arguments")
    assert detail in refused.errors["/table"]
    assert desk_api.post(READ, {"more": [{"$file": file_id}]}).status == 202


def test_a_picture_fits_a_pattern_of_types(desk_api: Api) -> None:
    assert desk_api.post(READ, {"table": {"$file": uploaded(desk_api, type="image/png")}}).status == 202


def test_only_a_whole_file_that_is_known_is_given_and_each_place_is_named(desk_api: Api) -> None:
    waiting = desk_api.post("/uploads", NEW).json["id"]
    unknown = new_upload_id(30, None)
    for file_id in (waiting, unknown, "../../etc/passwd", "x"):
        refused = desk_api.post(READ, {"more": [{"$file": uploaded(desk_api)}, {"$file": file_id}]})
        assert refused.is_problem(422, "invalid-arguments")
        assert refused.errors.keys() == {"/more/1"} and "no file of yours" in refused.errors["/more/1"]
    jobs = [{"task": "files.read", "arguments": {"any": {"a/b": {"$file": unknown}}}}] * 2
    refused = desk_api.post("/jobs", {"jobs": jobs})
    assert refused.errors.keys() == {"/jobs/0/arguments/any/a~1b", "/jobs/1/arguments/any/a~1b"}
    wrong: list[Any] = [{"$file": 5}, {"$file": None}, {"$file": {}}]
    for value in wrong:
        assert desk_api.post(READ, {"any": {"x": value}}).errors.keys() == {"/any/x"}


def test_a_file_in_a_place_that_asks_for_none_is_one_all_the_same(desk_api: Api) -> None:
    file_id = uploaded(desk_api)
    shown = desk_api.post(READ, {"any": {"deep": [{"$file": file_id}]}}).json["arguments"]["any"]["deep"][0]
    assert shown["name"] == "a.csv" and shown["url"]


def test_another_owners_file_is_as_if_there_were_none(files_on: Callable[..., None], as_caller: As) -> None:
    files_on(auth="tokens")
    ann, ben, root = as_caller("ann"), as_caller("ben"), as_caller("root", "admin")
    file_id = uploaded(ann)
    assert read_id(file_id).owner == owner_of("ann")  # type: ignore[union-attr]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/complete")):
        assert ben.request(method, f"/uploads/{file_id}{path}").is_problem(404, "unknown-file")
    for caller in (ben, root):  # a job's files are its owner's, whoever that is
        refused = caller.post(READ, {"table": {"$file": file_id}})
        assert refused.is_problem(422, "invalid-arguments") and "no file of yours" in refused.errors["/table"]
    assert root.get(f"/uploads/{file_id}").status == 200
    job = ann.post(READ, {"table": {"$file": file_id}})
    assert job.status == 202
    assert ben.get(f"/jobs/{job.json['id']}").is_problem(404, "unknown-job")
    assert link_reads(root.get(f"/jobs/{job.json['id']}").json["arguments"]["table"]["url"]) == TEXT


def test_a_token_may_begin_so_many_bytes_in_a_day(files_on: Callable[..., None], as_caller: As) -> None:
    files_on(auth="tokens", upload_bytes_per_day=4 * 10**9, max_file=10**12)
    ann, ben = as_caller("ann"), as_caller("ben")
    begun = ann.post("/uploads", NEW | {"size": 3 * 10**9})
    assert begun.status == 201
    assert begun.headers["ratelimit-policy"] == '"uploads";q=4000000000;w=86400;qu="content-bytes"'
    assert begun.headers["ratelimit"] == '"uploads";r=1000000000;t=64800'
    refused = ann.post("/uploads", NEW | {"size": 2 * 10**9})
    assert refused.is_problem(429, "too-much-uploaded")
    assert int(refused.headers["retry-after"]) == pytest.approx(DAY / 4, abs=60)
    assert refused.headers["ratelimit"].startswith('"uploads";r=1000')
    assert len(list((store().folder / ".uploads").iterdir())) == 1, "nothing was begun"
    assert ann.post("/uploads", NEW | {"size": 10**9}).status == 201
    assert ann.request("DELETE", f"/uploads/{begun.json['id']}").status == 204
    assert ann.post("/uploads", NEW).is_problem(429, "too-much-uploaded"), "what was deleted counts"
    assert ben.post("/uploads", NEW | {"size": 4 * 10**9}).status == 201
    never = ben.post("/uploads", NEW | {"size": 4 * 10**9 + 1})
    assert never.is_problem(422, "invalid-upload") and "to 4000000000" in never.errors["/size"]


def test_where_nobody_is_asked_any_number_of_bytes_may_come(
    files_on: Callable[..., None], desk_api: Api
) -> None:
    files_on(upload_bytes_per_day=1)
    for _ in range(3):
        begun = desk_api.post("/uploads", NEW)
        assert begun.status == 201 and "ratelimit" not in begun.headers


def test_a_file_that_a_job_uses_is_not_deleted_and_kept_for_its_job(
    desk_api: Api, client: redis.Redis, keys: Keys
) -> None:
    file_id = uploaded(desk_api)
    assert 0 < client.ttl(keys.file(file_id)) <= DAY
    assert desk_api.post(READ, {"table": {"$file": file_id}}).status == 202
    assert desk_api.request("DELETE", f"/uploads/{file_id}").is_problem(409, "file-in-use")
    assert client.ttl(keys.file(file_id)) > 29 * DAY


def test_a_job_of_much_later_is_given_a_copy_that_is_kept_longer(
    desk_api: Api,
) -> None:
    file_id = uploaded(desk_api)
    later = desk_api.post(f"{READ}?delay=60d", {"table": {"$file": file_id}})
    assert later.status == 202
    shown = later.json["arguments"]["table"]
    assert shown["$file"].startswith("d365.") and link_reads(shown["url"]) == TEXT
    refused = desk_api.post(f"{READ}?delay=360d", {"table": {"$file": file_id}})
    assert "not kept as long" in refused.errors["/table"]
    again = desk_api.post(READ, {"table": {"$file": shown["$file"]}})
    assert again.json["arguments"]["table"]["$file"] == shown["$file"]


@pytest.fixture
def days_later(desk_api: Api) -> Callable[[float], None]:
    """Has so many days passed, for who gives files."""

    def pass_by(days: float) -> None:
        desk = current().adapter.files
        assert desk is not None
        desk.giver._clock = lambda: time.time() + days * DAY

    return pass_by


def test_a_file_that_is_given_again_when_its_time_is_nearly_over_is_kept_for_the_second_job_too(
    desk_api: Api, days_later: Callable[[float], None]
) -> None:
    file_id = uploaded(desk_api)
    given = {"table": {"$file": file_id}}
    assert desk_api.post(READ, given).json["arguments"]["table"]["$file"] == file_id
    days_later(20)
    assert desk_api.post(READ, given).json["arguments"]["table"]["$file"] == file_id
    days_later(25)
    shown = desk_api.post(READ, given).json["arguments"]["table"]
    assert shown["$file"].startswith("d365.") and link_reads(shown["url"]) == TEXT
    assert desk_api.post(READ, {"table": shown}).json["arguments"]["table"]["$file"] == shown["$file"]
    days_later(385)
    refused = desk_api.post(READ, {"table": shown})
    assert refused.is_problem(422, "invalid-arguments") and "not kept as long" in refused.errors["/table"]


def test_the_copy_of_a_result_is_given_again(
    desk_api: Api, worker: WorkerByHand, days_later: Callable[[float], None]
) -> None:
    first = returned(worker, desk_api, lambda job, run: info(result_id(30, None, job, run[:16], 1)))
    file = desk_api.get(f"/jobs/{first}").json["result"]
    store().write(key_of(file["$file"]), io.BytesIO(TEXT), kind="a/b", size=8, sha256=sha256(TEXT))
    copy = desk_api.post(f"{READ}?delay=60d", {"table": file}).json["arguments"]["table"]
    assert copy["$file"] == moved(file["$file"], 365)
    again = desk_api.post(READ, {"table": copy})
    assert again.status == 202 and again.json["arguments"]["table"]["$file"] == copy["$file"]


def test_a_file_is_kept_for_all_tries_of_its_job(files_on: Callable[..., None], desk_api: Api) -> None:
    file_id = uploaded(desk_api)
    for retries, delays, kept in (
        (1, (5,), "d30."),
        (1, (30 * DAY,), "d365."),
        (30, (DAY, 2 * DAY), "d365."),
    ):
        made = current()
        task = replace(TABLE, retries=retries, retry_delays=delays)
        contexts.use(Context(made.settings, Catalog((task,)), made.adapter))
        shown = desk_api.post(READ, {"table": {"$file": file_id}}).json["arguments"]["table"]
        assert shown["$file"].startswith(kept), (retries, delays)
    endless = replace(TABLE, retries=100, retry_delays=(30 * DAY,))
    contexts.use(Context(made.settings, Catalog((endless,)), made.adapter))
    assert desk_api.post(READ, {"table": {"$file": file_id}}).status == 202


def test_the_same_request_with_the_same_key_is_the_same_job(desk_api: Api) -> None:
    body = json.dumps({"table": {"$file": uploaded(desk_api)}})
    headers = {"content-type": "application/json", "idempotency-key": "k"}
    assert len({desk_api.request("POST", READ, body, headers).json["id"] for _ in range(2)}) == 1


def returned(worker: WorkerByHand, api: Api, value: Callable[[str, str], Any]) -> str:
    """A job that ended with a result, which is made of its id and its run."""
    job = str(api.post(READ, {}).json["id"])
    job_id, execution = worker.begin()
    assert job_id == job
    worker.end(job, execution, result=value(job, execution))
    return job


def always(value: Any) -> Callable[[str, str], Any]:
    return lambda _job, _run: value


def info(file_id: str, **more: Any) -> dict[str, Any]:
    return {"$file": file_id, "name": "r.csv", "type": "text/csv", "size": 8, "sha256": "0" * 64, **more}


def test_files_of_a_result_have_links(desk_api: Api, worker: WorkerByHand) -> None:
    job = returned(
        worker, desk_api, lambda job, run: {"plot": [info(result_id(1, None, job, run[:16], 1))], "n": 1}
    )
    result = desk_api.get(f"/jobs/{job}").json["result"]
    assert result["n"] == 1 and result["plot"][0]["url"].startswith("/files/d1/")
    assert "result" not in desk_api.get("/jobs").json["jobs"][0]


def test_a_task_can_not_have_the_api_sign_what_is_not_its_jobs(desk_api: Api, worker: WorkerByHand) -> None:
    foreign = uploaded(desk_api)
    first = returned(worker, desk_api, lambda job, run: info(result_id(1, None, job, run[:16], 1)))
    of_first = desk_api.get(f"/jobs/{first}").json["result"]["$file"]
    forged = [
        info(foreign),
        info(of_first),
        info(of_first, name="../x"),
        {"$file": of_first},
        info(result_id(1, "ben", first, "0" * 16, 1)),
    ]
    for value in forged:
        job = returned(worker, desk_api, always(value))
        assert not desk_api.get(f"/jobs/{job}").json["result"].get("url"), value
        large = returned(worker, desk_api, always({"$result_file": value}))
        shown = desk_api.get(f"/jobs/{large}").json
        assert not (shown["result_file"] or {}).get("url"), value


def test_a_large_result_is_a_file(desk_api: Api, worker: WorkerByHand) -> None:
    job = returned(
        worker, desk_api, lambda job, run: {"$result_file": info(result_id(1, None, job, run[:16], 1))}
    )
    shown = desk_api.get(f"/jobs/{job}").json
    assert shown["result"] is None and shown["result_file"]["url"].startswith("/files/d1/")


def test_a_file_that_one_job_returned_is_given_to_another(desk_api: Api, worker: WorkerByHand) -> None:
    first = returned(worker, desk_api, lambda job, run: [info(result_id(30, None, job, run[:16], 1))])
    [file] = desk_api.get(f"/jobs/{first}").json["result"]
    second = desk_api.post(READ, {"table": file})
    assert second.status == 202, second
    assert second.json["arguments"]["table"]["$file"] == file["$file"]
    wrong = result_id(30, None, first, "0" * 16, 9)
    assert desk_api.post(READ, {"table": {"$file": wrong}}).errors.keys() == {"/table"}


def test_anothers_result_is_not_given(
    files_on: Callable[..., None], as_caller: As, worker: WorkerByHand
) -> None:
    files_on(auth="tokens")
    ann, ben = as_caller("ann"), as_caller("ben")
    job = returned(worker, ann, lambda job, run: info(result_id(30, "ann", job, run[:16], 1)))
    file = ann.get(f"/jobs/{job}").json["result"]
    assert ann.post(READ, {"table": file}).status == 202
    assert ben.post(READ, {"table": file}).errors.keys() == {"/table"}
    stolen = info(result_id(30, "ben", job, "0" * 16, 1))
    assert ben.post(READ, {"table": stolen}).errors.keys() == {"/table"}


def test_a_job_of_before_there_were_files_shows_what_it_was_given(
    desk_api: Api, adapter: QueueAdapter, context: Context
) -> None:
    from coatcheck.catalog import submission_of

    arguments = {"any": {"$file": "x"}, "more": [info(new_upload_id(30, "ben"))]}
    [job] = adapter.submit([submission_of(TABLE, arguments, context.settings)])
    shown = desk_api.get(f"/jobs/{job.id}").json["arguments"]
    assert shown["any"] == {"$file": "x"} and shown["more"][0]["url"] is None


def test_redis_away_is_told(files_on: Callable[..., None], desk_api: Api) -> None:
    made = current()
    settings = made.settings
    away = replace(settings, redis_url="unix:///nowhere.sock")
    contexts.use(Context(away, made.catalog, QueueAdapter(connect(away), away)))
    assert desk_api.post("/uploads", NEW).is_problem(503, "unavailable")
    contexts.use(made)


def test_a_record_that_ended_meanwhile_does_not_come_back(
    desk_api: Api, client: redis.Redis, keys: Keys
) -> None:
    begun = desk_api.post("/uploads", NEW).json
    put(begun, TEXT)
    record = FileRecords(client, keys).get(begun["id"])
    assert record is not None
    client.delete(keys.file(begun["id"]))
    assert desk_api.post(f"/uploads/{begun['id']}/complete").is_problem(404, "unknown-file")
