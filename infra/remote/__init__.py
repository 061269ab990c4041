"""The commands that call an API, wherever it runs: run, job, jobs, tasks, queues, schedules, open, client."""
