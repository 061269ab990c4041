"""A real Redis cluster: three masters on loopback that share the slots."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from infra.embedded import find_server
from tests.support.polling import eventually
from tests.support.ports import free_port

SLOTS = 16384
NODES = 3


class ClusterNode:
    """One master. Takes an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port(below=55_000)  # the cluster's bus listens 10,000 above
        options = f"--port {self.port} --bind 127.0.0.1 --cluster-enabled yes --save --appendonly no"
        self.client = redis.Redis(port=self.port, decode_responses=True)
        self._process = subprocess.Popen(
            [find_server(), *options.split(), "--dir", str(folder)], stdout=subprocess.DEVNULL
        )

    def run(self, *command: str | int) -> Any:
        """Run a command on this node only."""
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]

    def answers(self) -> bool:
        """Whether the node serves."""
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False

    def agrees(self) -> bool:
        """Whether the node knows who owns each slot."""
        state = self.run("CLUSTER INFO")
        return state["cluster_state"] == "ok" and len(self.run("CLUSTER SLOTS")) == NODES

    def close(self) -> None:
        """End the node."""
        self.client.close()
        self._process.kill()
        self._process.wait()


class Cluster:
    """The three nodes, as a context manager. Takes an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes: list[ClusterNode] = []

    def owner(self, slot: int) -> int:
        """Which of the nodes owned a slot when the cluster was made."""
        return next(number for number in range(NODES) if slot < SLOTS * (number + 1) // NODES)

    def __enter__(self) -> Cluster:
        for number in range(NODES):
            folder = self._folder / str(number)
            folder.mkdir()
            self.nodes.append(ClusterNode(folder))
        for number, node in enumerate(self.nodes):
            eventually(node.answers)
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
            node.run("CLUSTER ADDSLOTSRANGE", first, last)
            node.run("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        for node in self.nodes:
            eventually(node.agrees, what="the nodes agree")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.close()
