"""Tasks for the tests, found through COATCHECK_TASKS=tests.support.tasks."""

from tests.support.coverage_of_killed import keep_coverage

keep_coverage()
