"""A log as a terminal would show it: the page's own writer, piece by piece, in a real browser."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.browser.conftest import DESKTOP, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

WRITE = """async (pieces) => {
  const { AnsiWriter } = await import(new URL("static/ansi.js", document.baseURI).href);
  const box = document.createElement("pre");
  const writer = new AnsiWriter(box);
  const length = pieces.map((piece) => writer.write(piece)).reduce((one, other) => one + other, 0);
  const spans = [...box.querySelectorAll("span")].map((span) => [span.className, span.textContent]);
  const styles = [...box.querySelectorAll("[style]")].map((span) => span.style.cssText);
  return { text: box.textContent, spans, styles, length };
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, live_url: str) -> Iterator[Page]:
    with opened(browser, live_url, DESKTOP) as desk:
        desk.open()
        yield desk.page


def written(page: Page, *pieces: str) -> dict[str, Any]:
    shown: dict[str, Any] = page.evaluate(WRITE, list(pieces))
    assert shown["length"] == len(shown["text"])
    return shown


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("\x1b[31mred\x1b[0m plain", [["ansi-fg-1", "red"]]),
        ("\x1b[1;92mbold", [["ansi-bold ansi-fg-10", "bold"]]),
        ("\x1b[1mbold\x1b[22m not", [["ansi-bold", "bold"]]),
        ("\x1b[44;37mback\x1b[49m", [["ansi-fg-7 ansi-bg-4", "back"]]),
        ("\x1b[38;5;9mone of 256", [["ansi-fg-9", "one of 256"]]),
        ("\x1b[4m\x1b[24mno line", []),
        ("\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x07", []),
        ("\x1b[2Aup\x1b[?25l", []),
    ],
)
def test_colours_become_classes_and_the_rest_goes(page: Page, text: str, spans: list[list[str]]) -> None:
    shown = written(page, text)
    assert shown["spans"] == spans
    assert "\x1b" not in shown["text"]
    assert "[" not in shown["text"]
    assert "http" not in shown["text"]


def test_other_colours_are_mixed(page: Page) -> None:
    shown = written(page, "\x1b[38;5;196mred\x1b[48;2;1;2;3mback\x1b[39m\x1b[48;5;232mgrey")
    assert shown["styles"] == [
        "color: rgb(255, 0, 0);",
        "color: rgb(255, 0, 0); background-color: rgb(1, 2, 3);",
        "background-color: rgb(8, 8, 8);",
    ]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("10 %\r20 %\r100 %\ndone",), "100 %\ndone"),
        (("first\n10 %", "\r20 %", "\r", "\nnext"), "first\n20 %\nnext"),
        (("dos\r\nlines\r", "\n"), "dos\nlines\n"),
        (("gone\x1b[2Kkept",), "kept"),
        (("\x1b[3", "1mred"), "red"),
        (("a\x1b", "[0mb"), "ab"),
        (("<b>", "&amp;"), "<b>&amp;"),
    ],
)
def test_a_line_is_written_over(page: Page, pieces: tuple[str, ...], text: str) -> None:
    assert written(page, *pieces)["text"] == text


ESCAPES = ["\x1b[31m", "\x1b[0m", "\x1b[38;5;2m", "\x1b]0;t\x07"]
PARTS = st.sampled_from([*ESCAPES, "\r", "\n", "\r\n", "a", "bc"])


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(PARTS, max_size=12), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_it_does_not_matter_where_a_log_is_cut(page: Page, parts: list[str], cuts: list[int]) -> None:
    whole = "".join(parts)
    ends = sorted({0, *(min(cut, len(whole)) for cut in cuts), len(whole)})
    pieces = [whole[start:end] for start, end in pairwise(ends)]
    at_once, in_pieces = written(page, whole), written(page, *pieces)
    assert at_once["text"] == in_pieces["text"]
    joined = "".join(text for _, text in at_once["spans"])
    assert joined == "".join(text for _, text in in_pieces["spans"])
