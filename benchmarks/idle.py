"""What a worker's container costs while there is nothing to do.

``python -m benchmarks.idle`` builds the image, starts one container with one worker process against a Redis
container, waits until it is calm, and prints its memory (its cgroup's figure, as ``docker stats`` reads it)
and its share of a core over a minute. Goals: less than 120 MB and less than 1 % of a core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from uuid import uuid4

MEMORY_GOAL = 120e6
CORE_GOAL = 0.01


def docker(*arguments: str) -> str:
    """Run a docker command; returns what it printed."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def cpu_seconds(container: str) -> float:
    """The processor time that a container's cgroup used so far, its health checks included."""
    script = "cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpuacct/cpuacct.usage"
    words = docker("exec", container, "sh", "-c", script).split()
    if words[0] == "usage_usec":
        return int(words[1]) / 1e6
    return int(words[0]) / 1e9


def main() -> int:
    """Measure, print a table, and return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=60, help="how long to measure (default: 60)")
    seconds = parser.parse_args().seconds
    name = f"coatcheck-idle-{uuid4().hex[:8]}"
    image, redis, worker = f"{name}:image", f"{name}-redis", f"{name}-worker"
    try:
        docker("build", "--network", "host", "-f", "worker_image/Dockerfile", "-t", image, ".")
        docker("network", "create", name)
        docker("run", "--detach", "--name", redis, "--network", name, "valkey/valkey:8-alpine")
        url = f"REDIS_URL=redis://{redis}:6379/0"
        options = ["--network", name, "--env", url, "--env", "WORKER_PROCESSES=1"]
        docker("run", "--detach", "--name", worker, *options, image)
        time.sleep(15)
        before, started = cpu_seconds(worker), time.monotonic()
        time.sleep(seconds)
        share = (cpu_seconds(worker) - before) / (time.monotonic() - started)
        shown = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", worker))
        memory = _bytes(shown["MemUsage"].split("/")[0].strip())
    finally:
        for arguments in (["rm", "-f", redis, worker], ["network", "rm", name], ["rmi", "-f", image]):
            subprocess.run(["docker", *arguments], capture_output=True, check=False)
    print(f"memory  {memory / 1e6:6.1f} MB        goal < {MEMORY_GOAL / 1e6:.0f} MB")
    print(f"core    {100 * share:6.2f} %         goal < {100 * CORE_GOAL:.0f} %")
    return int(memory >= MEMORY_GOAL or share >= CORE_GOAL)


def _bytes(text: str) -> float:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


if __name__ == "__main__":
    sys.exit(main())
