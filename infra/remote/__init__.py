"""The commands that call an API, wherever it runs: run, job, submit, batch, tasks, queues, schedules, ..."""
