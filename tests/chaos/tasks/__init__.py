"""The tasks of the chaos suite: COATCHECK_TASKS=tests.chaos.tasks."""
