"""``/`` and ``/static/{name}``: the page's files, and no others."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from chalicelib import page, shipping
from chalicelib.page import TYPES, WEB
from chalicelib.shipping import shipped
from tests.functions.client import Api

FILES = sorted(path.name for path in (WEB / "static").iterdir())
STYLES = "".join(shipped(path) for path in sorted((WEB / "styles").iterdir()))


def test_the_page_is_html_that_loads_only_from_here(api: Api) -> None:
    reply = api.get("/")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert "base-uri 'self'" in policy and "frame-ancestors 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"


def test_at_the_root_the_page_needs_no_base(api: Api) -> None:
    body = api.get("/").body
    assert "<base" not in body and "<!-- base -->" not in body


@pytest.mark.parametrize(("url", "base"), [("/", None), ("", '<base href="api/">')])
def test_below_a_stage_the_page_needs_one_unless_its_address_ends_in_a_slash(
    staged: Api, url: str, base: str | None
) -> None:
    assert re.findall("<base.*?>", staged.get(url).body) == ([] if base is None else [base])


def test_what_stands_in_the_address_can_t_leave_the_attribute() -> None:
    body = Api(stage='"><script src=x>').get("").body
    assert "<base" in body and "<script src=x" not in body


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_what_it_is(api: Api, name: str) -> None:
    reply = api.get(f"/static/{name}")
    assert reply.status == 200
    assert reply.body == shipped(WEB / "static" / name)
    assert reply.headers["content-type"] == TYPES[name[name.rindex(".") :]]


def test_all_styles_are_one_file(api: Api) -> None:
    reply = api.get("/static/page.css")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, STYLES, TYPES[".css"])
    assert api.get("/static/1-base.css").status == 404


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(r'(?:href|src)="static/([^"]+)"', (WEB / "index.html").read_text())
    assert named and set(named) <= {*FILES, "page.css"}


def test_the_page_names_its_files_by_version_and_these_are_kept_for_ever(api: Api) -> None:
    named = re.findall(r'(?:href|src)="(static/[^"]+)"', api.get("/").body)
    assert named and all(name.startswith(f"static/{page.version()}/") for name in named)
    for name in named:
        reply = api.get(f"/{name}")
        assert (reply.status, reply.headers["cache-control"]) == (200, page.FOREVER["Cache-Control"])
    assert api.get("/").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("address", ["/static/app.js", "/static/000000000000/app.js"])
def test_under_another_address_a_file_is_asked_for_each_time(api: Api, address: str) -> None:
    reply = api.get(address)
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-cache")
    assert reply.body == shipped(WEB / "static" / "app.js")


def test_a_changed_file_makes_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "static").mkdir()
    monkeypatch.setattr(page, "WEB", tmp_path)
    versions: list[str] = []
    for text in ("one", "two", "one"):
        path = tmp_path / "static" / "a.js"
        path.write_text(text)
        os.utime(path, ns=(len(versions), len(versions)))
        versions.append(page.version())
    assert versions[0] == versions[2] != versions[1]
    linker = tmp_path / "shipping.py"
    linker.write_text("another one")
    monkeypatch.setattr(shipping, "__file__", str(linker))
    assert page.version() not in versions


def test_what_is_no_text_of_a_known_type_is_not_served(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "static").mkdir()
    for name in ("a.js", "a.pem", "b"):
        (tmp_path / "static" / name).write_text("text")
    monkeypatch.setattr(page, "WEB", tmp_path)
    assert [api.get(f"/static/{name}").status for name in ("a.js", "a.pem", "b")] == [200, 404, 404]


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "..",
        ".",
        "",
        "..%2Findex.html",
        "..%2F..%2Fpage.py",
        "%2e%2e%2findex.html",
        "%252e%252e%252findex.html",
        "..%5Cindex.html",
        "%2Fetc%2Fpasswd",
        "app.js%00",
        "app.js%00.css",
        "APP.JS",
        "static%2Fapp.js",
    ],
)
def test_nothing_else_is_ever_opened(api: Api, name: str) -> None:
    assert api.get(f"/static/{name or '%20'}").is_problem(404, "not-found")
