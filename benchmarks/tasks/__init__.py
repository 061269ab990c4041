"""The tasks that the benchmarks run: COATCHECK_TASKS=benchmarks.tasks."""
