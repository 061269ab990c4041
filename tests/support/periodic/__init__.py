"""Periodic tasks: COATCHECK_TASKS=tests.support.periodic."""
