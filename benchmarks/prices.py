"""AWS' list prices that the documents and the simulation reckon with, in USD.

us-east-1, Linux on x86-64, written down in November 2026; no taxes, free tiers, storage or traffic.
docs/deploy.md and docs/scale.md name the same figures, and tests/benchmarks/test_prices.py compares them.
"""

from __future__ import annotations

REGION = "us-east-1"
WRITTEN_DOWN = "November 2026"

HOURS_A_MONTH = 730

FARGATE_VCPU_HOUR = 0.04048
FARGATE_GB_HOUR = 0.004445
FARGATE_LEAST_SECONDS = 60
"""A container is charged for a minute at least, from the pull of its image on."""

LAMBDA_REQUEST = 0.20 / 1e6
LAMBDA_GB_SECOND = 0.0000166667
SQS_REQUEST = 0.40 / 1e6
API_REQUEST = 3.50 / 1e6

REDIS_MICRO_HOUR = 0.0128
"""ElastiCache for Valkey, a node cache.t4g.micro."""


def container_hour(vcpu: float, gigabytes: float) -> float:
    """What a container of this size costs an hour on Fargate."""
    return vcpu * FARGATE_VCPU_HOUR + gigabytes * FARGATE_GB_HOUR
