"""What a work-horse does with files: a folder for each run that fetches some, and large results."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coatcheck.codec import dumps
from coatcheck.errors import FileError
from coatcheck.files.ids import days_for
from coatcheck.files.info import RESULT_FILE
from coatcheck.files.store import open_store
from coatcheck.files.workspace import Workspace, current
from coatcheck.settings import Settings
from worker_image.results import Large, put_large

LARGEST_JSON = 100 * 1024 * 1024
"""Bytes that a result may have as JSON where files are on: it is in memory whole. A larger one is a file."""
PREFIX = "coatcheck-run-"


class RunFiles:
    """Takes the settings. Raises SettingsError."""

    def __init__(self, settings: Settings) -> None:
        self._store = open_store(settings)
        self._inline = min(settings.inline_result, settings.max_result)
        self.largest = settings.max_result if self._store is None else LARGEST_JSON
        """Bytes that a result may have as JSON."""
        self._base: Path | None = None
        if self._store is not None:
            remove_abandoned()

    @contextlib.contextmanager
    def of(self, job: dict[str, Any]) -> Iterator[Workspace | None]:
        """What a run does with files, as long as it lasts; None: files are off. Takes the worker's order."""
        if self._store is None:
            yield None
            return
        workspace = Workspace(
            self._store, self._folder, job["job"], job["owner"], job["run"], days_for(job["result_ttl"])
        )
        token = current.set(workspace)
        try:
            yield workspace
        finally:
            current.reset(token)
            workspace.close()

    def arguments(self, job: dict[str, Any], workspace: Workspace | None) -> dict[str, Any]:
        """The arguments of a run, with other jobs' results that are in files.

        Raises FileError, and what ``put_large`` raises.
        """
        found: dict[str, Any] = job["arguments"]
        if not job["large"]:
            return found
        if workspace is None:
            raise FileError("another job's result is in a file, and COATCHECK_FILES names no place for files")
        large = [Large(*each) for each in job["large"]]
        return dict(put_large(found, large, workspace.read))

    def report(self, text: str, workspace: Workspace | None) -> dict[str, Any]:
        """What to tell of a result: its JSON, or the file that it became. Raises FileError."""
        if workspace is None or len(text) <= self._inline >= len(text.encode("utf-8", "surrogatepass")):
            return {"result": text}
        info = workspace.keep_text(text, "result.json", "application/json")
        return {"result": dumps({RESULT_FILE: info.document()})}

    def _folder(self) -> Path:
        if self._base is None:
            self._base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        return Path(tempfile.mkdtemp(dir=self._base))


def remove_abandoned() -> None:
    """Delete the folders of work-horses that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError, ValueError):
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                shutil.rmtree(path, ignore_errors=True)
