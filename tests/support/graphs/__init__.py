"""A task for graphs of jobs: COATCHECK_TASKS=tests.support.graphs."""
