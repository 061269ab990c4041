"""A folder keeps to what every store does."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from coatcheck.errors import CoatcheckError
from coatcheck.files.folder import FolderStore
from coatcheck.files.store import PartLink
from tests.coatcheck.files.contract import *  # noqa: F403 (the tests)
from tests.coatcheck.files.contract import Place


class InFolder:
    """What the local server does with links, without it."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)

    def send(self, link: PartLink, data: bytes, *, kind: str | None = None) -> bool:
        kind = kind or link.headers.get("Content-Type", "")
        try:
            self.store.receive(link.url, io.BytesIO(data), len(data), kind)
        except CoatcheckError:
            return False
        return True

    def fetch(self, link: str) -> tuple[bytes, str, str] | None:
        try:
            file, name, kind = self.store.find(link)
        except CoatcheckError:
            return None
        with file:
            return file.read(), name, kind


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return InFolder(tmp_path / "files")
