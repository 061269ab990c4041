"""What differs in AWS Lambda: the process sleeps between requests, and its log has a handler already."""

from __future__ import annotations

import logging
import os

from coatcheck.log_lines import JSONFormatter

ON_LAMBDA = bool(os.environ.get("AWS_LAMBDA_FUNCTION_NAME"))


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
