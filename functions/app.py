"""The Chalice app. It only assembles: each resource has its module in ``chalicelib``.

Imports without environment and without connection, since Chalice imports it to package it.
"""

from __future__ import annotations

from chalice.app import AuthRequest, AuthResponse, Chalice, CloudWatchEvent, Rate

from chalicelib import (
    batches,
    callers,
    deliveries,
    health,
    jobs,
    metrics,
    observe,
    openapi,
    page,
    problems,
    prometheus,
    queues,
    routing,
    schedules,
    sites,
    story,
    tasks,
    uploads,
)

app = Chalice(app_name="coatcheck", configure_logs=False)
app.register_middleware(observe.middleware, "http")
app.register_middleware(sites.middleware, "http")
app.register_middleware(problems.middleware, "http")


@app.authorizer(ttl_seconds=callers.CACHE_SECONDS)
def authorizer(request: AuthRequest) -> AuthResponse:
    """Tell API Gateway who holds a token."""
    return callers.authorize(request)


for resource in (
    page,
    tasks,
    jobs,
    batches,
    uploads,
    deliveries,
    queues,
    schedules,
    prometheus,
    health,
    openapi,
    story,
):
    routing.bind(app, resource.ROUTES, authorizer)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="publish_metrics")
def publish_metrics(event: CloudWatchEvent) -> None:
    """Submit what is due, then publish the queues' figures, which wake workers where there are none."""
    try:
        schedules.tick()
    finally:  # a full Redis takes no new job, and needs its workers most then
        metrics.publish()
