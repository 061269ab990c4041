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
DYNAMODB_WRITE = 0.625 / 1e6
DYNAMODB_READ = 0.125 / 1e6

REDIS_MICRO_HOUR = 0.0128
"""ElastiCache for Valkey, a node cache.t4g.micro; a stack has two."""
ENDPOINT_HOUR = 0.01
"""An interface endpoint in one availability zone; a stack has three in two zones."""


def container_hour(vcpu: float, gigabytes: float) -> float:
    """What a container of this size costs an hour on Fargate."""
    return vcpu * FARGATE_VCPU_HOUR + gigabytes * FARGATE_GB_HOUR


def queue_month() -> float:
    """What a stack's Redis and endpoints cost a month, whatever comes."""
    return HOURS_A_MONTH * (2 * REDIS_MICRO_HOUR + 3 * 2 * ENDPOINT_HOUR)


def lambda_job(seconds: float, gigabytes: float = 1.0) -> float:
    """What a job costs on SQS and Lambda, with its status in DynamoDB. Takes how long it runs."""
    requests = 3 * SQS_REQUEST + LAMBDA_REQUEST + 2 * DYNAMODB_WRITE + 2 * DYNAMODB_READ
    return requests + seconds * gigabytes * LAMBDA_GB_SECOND
