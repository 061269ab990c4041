"""JSON Pointers are written and read as RFC 6901 says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.json_pointer import is_pointer, part, pointer_of

DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
"""The one of the RFC's section 5."""


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_rfc(pointer: str, value: Any) -> None:
    assert is_pointer(pointer) and part(DOCUMENT, pointer) == value


@pytest.mark.parametrize(
    "pointer", ["/bar", "/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/x", "/foo/0/0", "/foo/١", "//"]
)
def test_what_is_not_there_is_not_found(pointer: str) -> None:
    assert is_pointer(pointer)
    with pytest.raises(LookupError):
        part(DOCUMENT, pointer)


@pytest.mark.parametrize("text", ["foo", "#/foo", "/~", "/~2", "/foo/~", " /foo"])
def test_what_is_no_pointer(text: str) -> None:
    assert not is_pointer(text)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~0", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, st.data())
def test_a_path_written_as_a_pointer_leads_to_the_same_value(document: Any, data: st.DataObject) -> None:
    path: list[str | int] = []
    value = document
    while isinstance(value, dict | list) and value and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        path.append(step)
        value = value[step]
    assert is_pointer(pointer_of(path)) and part(document, pointer_of(path)) is value
