"""No secret leaves: planted ones are looked for in all that the running product says, writes and hands on."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from coatcheck.callback_secret import parse, secret_of
from infra.callbacks.command import FILE
from infra.cli import main
from tests.infra.product import Product, Start
from tests.support.polling import eventually
from tests.support.receiver import Receiver


class Listener:
    """Asks with a token and keeps all that comes back."""

    def __init__(self, product: Product, token: str) -> None:
        self._product, self._token = product, token
        self.heard = ""

    def ask(self, method: str, path: str, body: object = None) -> str:
        connection = http.client.HTTPConnection(str(urlsplit(self._product.url).netloc), timeout=30)
        sent = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.heard += f"{answer.getheaders()} {text}"
        return text


def test_no_secret_is_in_a_log_an_answer_a_callback_or_an_environment(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    product = start(
        "--verbose", COATCHECK_AUTH="tokens", COATCHECK_CALLBACK_LOOPBACK="1", MAX_TIME_TO_WAIT="1"
    )
    local = ["--target", "local", "--data", str(product.data)]
    assert main(["token", "create", "ann", "--scope", "admin", *local]) == 0
    token = capsys.readouterr().out.strip()
    master = (product.data / FILE).read_text().strip()
    listener = Listener(product, token)

    with Receiver() as receiver:
        target = quote(receiver.url, safe="")
        job = json.loads(listener.ask("POST", f"/tasks/examples.task_raises_error?callback={target}", {}))[
            "id"
        ]
        eventually(lambda: receiver.messages, seconds=60, what="a message")
    for method, path in (
        ("GET", "/"),
        ("GET", "/tasks"),
        ("GET", "/jobs"),
        ("GET", f"/jobs/{job}"),
        ("GET", f"/jobs/{job}/log"),
        ("GET", f"/jobs/{job}/deliveries"),
        ("GET", "/queues"),
        ("GET", "/health"),
        ("GET", "/openapi.json"),
        ("GET", "/nothing"),
        ("PUT", "/jobs"),
        ("POST", f"/jobs/{job}/deliveries"),
        ("POST", "/tasks/nothing"),
        ("DELETE", f"/jobs/{job}"),
    ):
        listener.ask(method, path)
    listener.ask("POST", "/tasks/examples.short_task", {"wrong": 1})

    environments = "".join(
        Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace") for pid in product.processes()
    )
    sent = "".join(f"{message.headers} {message.body!r}" for message in receiver.messages)
    secrets = {
        "the token": token.rpartition("_")[2],
        "the callbacks' master secret": master.removeprefix("whsec_"),
        "ann's callback secret": secret_of(parse(master)[0], "ann").removeprefix("whsec_"),
    }
    places = {
        "the log": product.log(),
        "an answer": listener.heard,
        "a callback": sent,
        "an environment": environments,
        "the file of tokens": (product.data / "tokens.json").read_text(),
    }
    found = [
        (what, where) for what, secret in secrets.items() for where, text in places.items() if secret in text
    ]
    assert found == []
    assert all(places.values()), "each place was looked at"
