"""The client on this machine."""

from tests.client.suite import *  # noqa: F403 (the tests)
