"""Secrets in files: written whole or not at all, and for their user only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from coatcheck.errors import SecretError
from coatcheck.secret_text import read_secret, write_private


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for text in ("one", "two"):
        write_private(path, text)
        assert read_secret(str(path)) == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "secret", []

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(path, "secret")
    assert synced == [(6, False)]


def test_what_others_may_read_is_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "one")
    path.chmod(0o640)
    with pytest.raises(SecretError, match="chmod 600"):
        read_secret(str(path))
    with pytest.raises(SecretError, match="FileNotFoundError"):
        read_secret(str(tmp_path / "none"))
