"""What differs in AWS Lambda: the process sleeps between requests, and its log has a handler already."""

from __future__ import annotations

import logging
import os
import time

from chalice.app import Request

from coatcheck.log_lines import JSONFormatter

ON_LAMBDA = bool(os.environ.get("AWS_LAMBDA_FUNCTION_NAME"))
GATEWAY_SECONDS = 29.0
"""When API Gateway gives up, counted from when it received the request (AWS: "Amazon API Gateway quotas")."""


def seconds_left(request: Request) -> float:
    """How long the request may take from now on: until API Gateway gives up, or Lambda ends the function."""
    received = request.context.get("requestTimeEpoch")  # in milliseconds; not on a laptop
    age = max(0.0, time.time() - received / 1000) if isinstance(received, int) else 0.0
    runtime = request.lambda_context
    left = runtime.get_remaining_time_in_millis() / 1000 if runtime is not None else GATEWAY_SECONDS
    return float(min(GATEWAY_SECONDS - age, left))


def configure_log(log_format: str) -> None:
    """Log as the setting LOG_FORMAT says. Does nothing elsewhere: there the server that calls us logs."""
    if not ON_LAMBDA:
        return
    logging.getLogger("coatcheck").setLevel(logging.INFO)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    if log_format == "json":
        for handler in root.handlers:
            handler.setFormatter(JSONFormatter())
