"""Random values of random schemas, entered into the page's own form: what is sent is what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from coatcheck.catalog import TaskSpec
from coatcheck.schema import field_errors
from tests.browser.conftest import DESKTOP, opened
from tests.browser.schemas import FORMS, Kind
from tests.browser.test_form import MAKE
from tests.infra.product import Product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser.desk import Desk

ECHO = "odd.echo"
FILL = Path(__file__).with_name("fill.js").read_text()
ROUND = f"""async ([schema, steps]) => {{
  const {{ parse }} = await import(new URL("static/numbers.js", document.baseURI).href);
  await ({MAKE})({{schema: parse(schema), initial: undefined}});
  ({FILL})(steps);
  return JSON.stringify(globalThis.form.read());
}}"""
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
"""Without the explanation, which traces each line: making schemas is slow enough."""
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(scope="module")
def page(browser: Browser, live_url: str) -> Iterator[Page]:
    with opened(browser, live_url, DESKTOP) as desk:
        desk.open()
        yield desk.page


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW, phases=PHASES)
@given(kind=FORMS, data=st.data())
def test_what_is_entered_is_what_is_sent(page: Page, kind: Kind, data: st.DataObject) -> None:
    value, (_, steps) = data.draw(kind.entries)
    assert field_errors(TaskSpec("a.task", "", "", kind.schema), value) == []
    note(f"{kind.schema}\n{steps}")
    read: dict[str, Any] = json.loads(page.evaluate(ROUND, [json.dumps(kind.schema), steps]))
    assert read == {"value": value, "errors": []}


@pytest.fixture(scope="module")
def desk(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The page of a product that has a task which returns what it gets."""
    data = tmp_path_factory.mktemp("forms") / "data"
    with Product(data, "--port", "0", COATCHECK_TASKS="tests.support.tasks") as product:
        product.until_ready()
        with opened(browser, product.url, DESKTOP) as desk:
            # No tickets of the example before, not even those that the page saves as it is left.
            desk.page.add_init_script("sessionStorage.clear()")
            yield desk


@settings(max_examples=6, deadline=None, suppress_health_check=SLOW, phases=PHASES)
@given(kind=FORMS, data=st.data())
def test_a_job_gets_what_was_entered(desk: Desk, kind: Kind, data: st.DataObject) -> None:
    """The echo takes anything; its form is made from a random schema."""
    value, steps = data.draw(kind.entries)
    note(f"{kind.schema}\n{steps}")
    schema = {"type": "object", "properties": {"value": kind.schema}, "required": ["value"]}
    links = {"submit": f"/tasks/{ECHO}"}
    task = {"name": ECHO, "title": "Echo", "description": "", "schema": schema, "links": links}
    desk.page.route(f"{desk.url}tasks", lambda route: route.fulfill(json={"tasks": [task]}))
    desk.page.goto(desk.url)
    expect(desk.page.get_by_role("radio", name="Echo")).to_be_checked()
    desk.page.evaluate(FILL, [steps])
    ticket = desk.run()
    ticket.becomes("finished")
    job = desk.job(ticket.id)
    assert job["arguments"] == {"value": value}
    assert job["result"] == value
