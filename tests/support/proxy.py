"""The way to Redis: a TCP proxy that can cut, delay, hold back and redirect what passes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

CHUNK = 65_536


class Proxy:
    """Listens on a port of loopback (0: any) and passes everything on to ``target``, a port too.

    Runs in a thread of its own; its methods may be called from any thread.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self.port = port
        self.bytes = 0
        """How many bytes passed."""
        self._target = target
        self._latency = 0.0
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cut()
        self._call(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        """End every connection with a reset, wherever it is."""
        self._call(self._abort_all)

    def delay(self, seconds: float) -> None:
        """Let each piece wait that long, in both directions; 0 ends it."""
        self._call(lambda: setattr(self, "_latency", seconds))

    def hold(self) -> None:
        """Pass nothing on, as a network does that swallows packets. Connections still open."""
        self._call(self._open.clear)

    def release(self) -> None:
        """Pass on again, what was held back first."""
        self._call(self._open.set)

    def retarget(self, target: int) -> None:
        """Lead new connections to another server; those that are open stay where they are."""
        self._call(lambda: setattr(self, "_target", target))

    def redirect(self, target: int) -> None:
        """Cut, and lead new connections to another server."""

        def change() -> None:
            self._target = target
            self._abort_all()

        self._call(change)

    def _call(self, function: Callable[[], Any]) -> None:
        done = threading.Event()

        def call() -> None:
            function()
            done.set()

        self._loop.call_soon_threadsafe(call)
        done.wait(10)

    def _abort_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._drop(writer)
            return
        self._writers.add(there_writer)
        # Cancelled when the proxy ends: asyncio would report that as a defect.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if self._latency:
                    await asyncio.sleep(self._latency)
                await self._open.wait()
                self.bytes += len(data)
                writer.write(data)
                await writer.drain()
        self._drop(writer)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        self._writers.discard(writer)
