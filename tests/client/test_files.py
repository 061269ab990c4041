"""Files up and down, for both clients, on a store that breaks."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from coatcheck.client import ConnectionFailedError, Order, TransferError, UploadedFile
from coatcheck.client.files.remote import safe_name
from coatcheck.errors import InvalidArgumentsError
from tests.client.both import KINDS, Both, both
from tests.client.fake_files import STORE, Broken, FakeFiles

CONTENT = b"a,b\n1,2\n"
BROKEN = httpx.WriteError("broken")
S3_REFUSAL = httpx.Response(403, text="<Error><Code>X</Code><Message>Request has expired</Message></Error>")

Opening = Callable[..., Both]
pytestmark = pytest.mark.usefixtures("pauses")


@pytest.fixture
def api() -> FakeFiles:
    return FakeFiles()


@pytest.fixture(params=KINDS)
def to(request: pytest.FixtureRequest, api: FakeFiles) -> Iterator[Opening]:
    """Opens a client of each kind."""
    with ExitStack() as stack:

        def opening(**options: Any) -> Both:
            opened = both(
                request.param, "http://api.test/stage/", transport=api, token="cc_secret", **options
            )
            return stack.enter_context(opened)

        yield opening


@pytest.fixture
def on(to: Opening) -> Both:
    return to()


def breaking(times: int, fault: Any, where: str = "/put/") -> Callable[[httpx.Request], Any]:
    """A fault that comes so many times."""
    left = [times]

    def answer(request: httpx.Request) -> Any:
        if where not in request.url.path or not left[0]:
            return None
        left[0] -= 1
        return fault() if callable(fault) else fault

    return answer


@pytest.mark.parametrize("kind", ["path", "text", "file", "pipe", "bytes"])
def test_what_can_be_read_can_be_uploaded(on: Both, api: FakeFiles, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(CONTENT)
    reading, writing = os.pipe()
    os.write(writing, CONTENT)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, path.open("rb") as file:
        what = {"path": path, "text": str(path), "file": file, "pipe": pipe, "bytes": CONTENT}[kind]
        named = {} if kind in ("path", "text", "file") else {"name": "sales.csv"}
        done = on.do(on.client.upload(what, **named))
        assert not file.closed
    assert isinstance(done, UploadedFile)
    assert (done.id, done.name, done.type, done.size) == ("f1", "sales.csv", "text/csv", len(CONTENT))
    assert api.parts["f1"] == {1: CONTENT}
    assert api.files["f1"]["sha256"] == done.sha256


def test_a_file_is_sent_from_where_it_stands_and_text_is_refused(on: Both, api: FakeFiles) -> None:
    file = io.BytesIO(CONTENT)
    file.seek(4)
    done = on.do(on.client.upload(file, type="text/x-own"))
    assert (done.name, done.type, api.parts["f1"][1]) == ("file", "text/x-own", CONTENT[4:])
    with pytest.raises(TypeError, match="binary mode"):
        on.do(on.client.upload(io.StringIO("text")))
    assert on.do(on.client.upload(b"")).size == 0
    assert api.parts["f2"] == {1: b""}


def test_the_store_gets_the_links_headers_and_no_token(to: Opening, api: FakeFiles) -> None:
    on = to(auth=httpx.BasicAuth("somebody", "secret"))
    on.do(on.client.upload(CONTENT))
    api.jobs["result"] = api.document("r1", CONTENT, "out.csv", "text/csv")
    assert on.do(on.do(on.do(on.client.ticket("j")).result()).read()) == CONTENT
    to_store = [request for request in api.requests if request.url.host == "store.test"]
    assert [request.method for request in to_store] == ["PUT", "GET"]
    assert to_store[0].headers["x-check"] == "yes"
    for request in to_store:
        assert "authorization" not in request.headers
        assert "secret" not in str(request.headers.raw)
    assert all(
        "authorization" in request.headers for request in api.requests if request.url.host == "api.test"
    )


def test_a_large_file_goes_in_parts_with_links_for_a_hundred_at_once(on: Both, api: FakeFiles) -> None:
    api.part_size = 3
    content = os.urandom(3 * 250 + 1)
    told: list[tuple[int, int]] = []
    on.do(on.client.upload(content, on_progress=lambda *seen: told.append(seen)))
    assert b"".join(api.parts["f1"][number] for number in range(1, 252)) == content
    assert [line for line in api.told if "store" not in line and "put" not in line] == [
        "POST /stage/uploads",
        "GET /stage/uploads/f1?parts=101-200",
        "GET /stage/uploads/f1?parts=201-300",
        "POST /stage/uploads/f1/complete",
    ]
    assert told == sorted(told)
    assert told[-1] == (len(content), len(content))


@pytest.mark.parametrize("fault", [BROKEN, httpx.Response(500), httpx.Response(503), S3_REFUSAL])
def test_a_part_is_sent_again_by_a_new_link(
    on: Both, api: FakeFiles, pauses: list[float], fault: Any
) -> None:
    api.fault = breaking(2, fault)
    on.do(on.client.upload(CONTENT))
    assert api.parts["f1"] == {1: CONTENT}
    links = [str(request.url) for request in api.requests if request.method == "PUT"]
    assert links == [f"{STORE}/put/f1/1?link={number}" for number in (1, 2, 3)]
    assert len(pauses) == 2


def test_a_part_whose_answer_was_lost_is_not_sent_again(on: Both, api: FakeFiles) -> None:
    def lost(request: httpx.Request) -> Any:
        if request.method != "PUT":
            return None
        api.parts["f1"][1] = request.content
        return BROKEN

    api.fault = lost
    on.do(on.client.upload(CONTENT))
    assert [request.method for request in api.requests] == ["POST", "PUT", "GET", "POST"]


def test_a_store_that_keeps_refusing_is_told_with_its_reason(on: Both, api: FakeFiles) -> None:
    api.fault = breaking(99, S3_REFUSAL)
    with pytest.raises(TransferError, match="answered 403: Request has expired") as failed:
        on.do(on.client.upload(CONTENT))
    assert [request.method for request in api.requests].count("PUT") == 4
    assert failed.value.__notes__ == ["upload(..., resume='f1') goes on with what has arrived."]


def test_a_cut_upload_goes_on_where_it_was(to: Opening, api: FakeFiles) -> None:
    on = to(retry_for=0)
    api.part_size = 3
    api.fault = lambda request: BROKEN if request.url.path.endswith("/f1/3") else None
    with pytest.raises(ConnectionFailedError, match="no answer from the files' store: broken") as failed:
        on.do(on.client.upload(CONTENT))
    assert "resume='f1'" in failed.value.__notes__[0]
    api.fault = lambda request: None
    del api.requests[:]
    assert on.do(on.client.upload(CONTENT, resume="f1")).id == "f1"
    assert api.told == [
        "GET /stage/uploads/f1",
        "PUT /put/f1/3?link=2",
        "POST /stage/uploads/f1/complete",
    ]
    assert on.do(on.client.upload(CONTENT, resume="f1")).id == "f1", "it is complete already"
    with pytest.raises(TransferError, match="is not the file whose upload is to go on"):
        on.do(on.client.upload(b"other", resume="f1"))


def test_files_among_the_arguments_are_uploaded_where_the_task_takes_one(
    on: Both, api: FakeFiles, tmp_path: Path
) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(CONTENT)
    given = {"table": path, "many": [{"file": b"x"}, {"file": io.BytesIO(b"y")}], "folder": tmp_path}
    on.do(on.client.submit("a.b", given))
    on.do(on.client.tasks.a.b(table=on.do(on.client.upload(path))))
    on.do(on.client.submit_many([Order("a.b", {"table": path}), Order("a.b", {"folder": "f"})]))
    bodies = [
        json.loads(request.content)
        for request in api.requests
        if request.method == "POST" and "/uploads" not in request.url.path
    ]
    assert bodies == [
        {
            "table": {"$file": "f1"},
            "many": [{"file": {"$file": "f2"}}, {"file": {"$file": "f3"}}],
            "folder": str(tmp_path),
        },
        {"table": {"$file": "f4"}},
        {
            "jobs": [
                {"task": "a.b", "arguments": {"table": {"$file": "f5"}}},
                {"task": "a.b", "arguments": {"folder": "f"}},
            ]
        },
    ]
    assert [file["name"] for file in api.files.values()] == [
        "sales.csv",
        "file",
        "file",
        "sales.csv",
        "sales.csv",
    ]
    assert api.told.count("GET /stage/tasks/a.b") == 1


def test_a_file_that_the_task_does_not_take_is_not_sent(on: Both, api: FakeFiles, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"x" * 1001)
    with path.open("rb") as file:
        for what in (path, file):
            with pytest.raises(InvalidArgumentsError, match=r"at most 1000 bytes, notes.txt has 1001") as no:
                on.do(on.client.submit("a.b", {"many": [{"file": b"x"}], "table": what}))
            assert [error.pointer for error in no.value.errors] == ["/table"]
    path.write_bytes(b"x")
    with pytest.raises(InvalidArgumentsError, match=r"must be text/csv or image/\*, notes.txt is text/plain"):
        on.do(on.client.submit("a.b", {"table": path}))
    (tmp_path / "dot.png").write_bytes(b"x")
    on.do(on.client.submit("a.b", {"table": tmp_path / "dot.png"}))
    assert [file["type"] for file in api.files.values()] == ["image/png"]
    with pytest.raises(TypeError, match="bytes can't be written as JSON"):
        on.do(on.client.submit("a.b", {"folder": b"x"}))


def test_files_of_a_result_are_read_and_saved(on: Both, api: FakeFiles, tmp_path: Path) -> None:
    api.jobs["result"] = {
        "rows": 2,
        "plots": [api.document("r1", CONTENT, "../../evil/plot.svg", "image/svg+xml")],
        "$file": "no file",
    }
    result = on.do(on.do(on.client.ticket("j")).result())
    assert (result["rows"], result["$file"]) == (2, "no file")
    (plot,) = result["plots"]
    assert (plot.type, plot.size) == ("image/svg+xml", len(CONTENT))
    assert on.do(plot.read()) == CONTENT
    assert b"".join(on.take(plot.stream())) == CONTENT
    assert on.do(plot.save(tmp_path)) == tmp_path / "plot.svg"
    assert on.do(plot.save(tmp_path / "own.svg")).read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.svg", "plot.svg"]


def test_a_result_that_was_too_large_for_the_document_is_fetched(on: Both, api: FakeFiles) -> None:
    large = {"numbers": list(range(1000)), "plot": api.document("r2", CONTENT, "p.csv", "text/csv")}
    file = api.document("r1", json.dumps(large).encode(), "result.json", "application/json")
    api.jobs |= {"result": None, "result_file": file}
    result = on.do(on.do(on.client.ticket("j")).result())
    assert result["numbers"] == large["numbers"]
    assert on.do(result["plot"].read()) == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on(
    on: Both, api: FakeFiles, pauses: list[float], ranges: bool
) -> None:
    content = os.urandom(600_000)
    api.jobs["result"] = api.document("r1", content, "out", "application/octet-stream")
    file = on.do(on.do(on.client.ticket("j")).result())
    breaks = breaking(2, lambda: httpx.Response(200, stream=Broken(content[:300_000])), "/get/")

    def fault(request: httpx.Request) -> Any:
        if not ranges:
            request.headers.pop("range", None)
        return None if "range" in request.headers else breaks(request)

    api.fault = fault
    assert on.do(file.read()) == content
    asked = [request.headers.get("range") for request in api.requests if "/get/" in request.url.path]
    assert len(asked) == (2 if ranges else 3)
    assert len(pauses) == len(asked) - 1


def test_a_link_that_is_over_is_renewed(on: Both, api: FakeFiles) -> None:
    api.jobs["result"] = [api.document("r1", CONTENT, "out", "text/plain")]
    (file,) = on.do(on.do(on.client.ticket("j")).result())
    api.links = 7
    api.jobs["result"] = [api.document("r1", CONTENT, "out", "text/plain")]
    api.fault = lambda request: S3_REFUSAL if request.url.params.get("link") == "0" else None
    assert on.do(file.read()) == CONTENT
    assert api.told[-2:] == [f"GET /stage/jobs/{api.jobs['id']}", "GET /get/r1?link=7"]
    api.fault = lambda request: S3_REFUSAL if request.url.host == "store.test" else None
    with pytest.raises(TransferError, match="Request has expired"):
        on.do(file.read())
    api.jobs["result"][0]["url"] = None
    with pytest.raises(TransferError, match="the API gives no link to out"):
        on.do(file.read())


@pytest.mark.parametrize(
    ("served", "told"), [(b"x" * 8, "SHA-256"), (b"x" * 9, "9 bytes"), (b"x", "1 bytes")]
)
def test_other_bytes_than_were_promised_are_refused(
    on: Both, api: FakeFiles, tmp_path: Path, served: bytes, told: str
) -> None:
    api.jobs["result"] = api.document("r1", CONTENT, "out.csv", "text/csv")
    file = on.do(on.do(on.client.ticket("j")).result())
    api.served["r1"] = served
    with pytest.raises(TransferError, match=told):
        on.do(file.save(tmp_path / "out.csv"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("plot.svg", "plot.svg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Temp\\a b.txt", "a b.txt"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("a/", "file"),
        ("\x00\x1b[31m", "[31m"),
        ("日" * 85, "日" * 66),
        ("日" * 83 + ".csv", "日" * 65 + ".csv"),
        ("x." + "é" * 126, "x." + "é" * 9),
    ],
)
def test_a_name_never_leads_out_of_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_file_with_the_longest_name_that_there_may_be_is_saved_in_a_folder(
    on: Both, api: FakeFiles, tmp_path: Path
) -> None:
    api.jobs["result"] = api.document("r1", CONTENT, "日" * 83 + ".x", "text/csv")
    file = on.do(on.do(on.client.ticket("j")).result())
    assert on.do(file.save(tmp_path)).read_bytes() == CONTENT
