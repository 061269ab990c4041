"""Tasks for the tests, found through COATCHECK_TASKS=tests.support.tasks."""
