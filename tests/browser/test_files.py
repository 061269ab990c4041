"""The page's files, read as text: what a strict Content-Security-Policy and a stage prefix ask of them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from chalicelib.shipping import ENTRY, EXPORT, IMPORT, NOTES, shipped

WEB = Path(__file__).parents[2] / "functions" / "chalicelib" / "web"
STATIC = WEB / "static"
STYLES = sorted((WEB / "styles").iterdir())
FILES = sorted(path for path in WEB.rglob("*") if path.is_file())


def index() -> str:
    return (WEB / "index.html").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_is_text_of_a_known_kind(path: Path) -> None:
    assert path.suffix in {".html", ".css", ".js", ".svg"}
    assert path.read_text(encoding="utf-8").endswith("\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]", text)


def test_nothing_in_the_html_is_inline() -> None:
    html = index()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) == ["", ""]


def test_every_address_in_the_html_is_relative() -> None:
    addresses = set(re.findall(r'(?:href|src)="([^"]*)"', index()))
    views = {"#/", "#/jobs", "#/queues", "#/schedules"}
    assert views < addresses
    assert [one for one in addresses - views if one.startswith(("/", "#")) or ":" in one] == []


def test_the_place_of_the_base_element_comes_first() -> None:
    assert "<head><!-- base -->" in index()
    assert index().count("<!-- base -->") == 1


def test_the_page_loads_every_file() -> None:
    named = set(re.findall(r'"static/([^"]+)"', index()))
    linked = {
        f"{name}.js" for name in re.findall(r"^const \$(\w+) = ", shipped(STATIC / ENTRY), re.MULTILINE)
    }
    there = {path.name for path in STATIC.iterdir()}
    assert named - {"page.css"} | {name for name in there if name.replace("-", "_") in linked} == there
    assert len(linked) > 40


def test_a_script_is_linked_by_forms_of_import_and_export_that_are_known() -> None:
    for path in STATIC.glob("*.js"):
        code = NOTES.sub("", path.read_text())
        rest = EXPORT.sub("", IMPORT.sub("", code))
        assert not re.search(r"^\s*(import|export)\b|\bimport\(|\bimport\.meta", rest, re.MULTILINE), path
        assert " as " not in "".join(match[1] for match in IMPORT.finditer(code)), path


def test_no_module_imports_itself_by_others() -> None:
    imports = {
        path.stem: [name for _, name in IMPORT.findall(path.read_text())] for path in STATIC.glob("*.js")
    }

    def follow(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, (*path, name)
        for other in imports[name]:
            follow(other, (*path, name))

    follow("app")


def test_data_never_becomes_markup() -> None:
    scripts = {path.name: path.read_text() for path in STATIC.glob("*.js")}
    risky = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser"
    )
    assert [name for name, text in scripts.items() if risky.search(text)] == []


def test_the_whole_page_is_small() -> None:
    named = [name for name in re.findall(r'"static/([^"]+)"', index()) if name != "page.css"]
    texts = [index(), "".join(map(shipped, STYLES)), *(shipped(STATIC / name) for name in named)]
    assert sum(len(gzip.compress(text.encode())) for text in texts) < 60_000


def test_scripts_and_styles_are_shipped_without_comments_and_layout() -> None:
    for path in [*STATIC.iterdir(), *STYLES]:
        text = shipped(path)
        if path.suffix in {".js", ".css"}:
            assert "/*" not in text, path
            assert not re.search(r"^\s|\n\n", text), path
        else:
            assert text == path.read_text()
    assert "export function h(tag, attributes = {}, ...children) {\nreturn filled(" in shipped(
        STATIC / "dom.js"
    )


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_no_text_of_a_script_has_what_is_taken_out_of_it(path: Path) -> None:
    """Comments and layout are found by patterns, which know nothing of texts."""
    code = NOTES.sub("", path.read_text())
    texts = re.findall(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`', code)
    assert [text for text in texts if "/*" in text or "*/" in text or re.search(r"\n\s", text)] == []
