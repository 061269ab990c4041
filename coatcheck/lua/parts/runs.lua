-- Needs: keys, clock, calendar, values, queues

-- For RQ's readers: whether a worker is busy. Its hash expires when its heartbeats end, and stays so.
local function show_state(worker, state)
  if redis.call('EXISTS', key('worker', worker)) == 1 then
    redis.call('HSET', key('worker', worker), 'state', state)
  end
end

-- What a worker needs to know of a job, as names and values. Takes all that its hash has.
local function to_run(job)
  local found = {}
  for _, name in ipairs({'data', 'timeout', 'attempt', 'at_most_once', 'retries', 'retries_left', 'retry_intervals',
    'enqueued_at', 'started_at', 'traceparent', 'tracestate', 'lost', 'origin', 'result_ttl', 'failure_ttl', 'owner',
    'callback', 'signature', 'dependency_ids', 'allow_dependency_failures', 'parent'}) do
    if job[name] then
      found[#found + 1] = name
      found[#found + 1] = job[name]
    end
  end
  return found
end

-- What an earlier run left in a job's hash.
local function forget_run(job_key, job)
  local names = {}
  for _, name in ipairs({'stop_requested', 'progress', 'error', 'taken_at', 'scheduled_for'}) do
    if job[name] then names[#names + 1] = name end
  end
  if names[1] then redis.call('HDEL', job_key, unpack(names)) end
end

-- Begin a job that left its queue: from here on it has an execution and a lease. Takes all that its hash has; returns
-- what its worker needs.
local function begin(id, job, queue, worker, execution, lease)
  local member, job_key, time = id .. ':' .. execution, key('job', id), string.format('%.6f', now)
  job.enqueued_at = job.enqueued_at or job.created_at or iso()
  job.started_at = iso()
  job.attempt = string.format('%d', number_of(job.attempt, 0) + 1)
  forget_run(job_key, job)
  set_status_of(job.owner, id, queue, 'started', 'enqueued_at', job.enqueued_at, 'started_at', iso(), 'ended_at', '',
    'last_heartbeat', iso(), 'worker_name', worker, 'execution', execution, 'attempt', job.attempt)
  redis.call('ZADD', prefix .. ':leases', string.format('%.6f', now + lease), member)

  -- For RQ's own readers. The registry's entry never expires by itself: RQ would fail the job from
  -- whatever process happens to read it (its registries clean up when read), and the lease decides.
  redis.call('ZADD', key('wip', queue), '+inf', member)
  redis.pcall('ZADD', key('executions', id), '+inf', execution)
  redis.call('HSET', key('execution', member), 'id', execution, 'job_id', id, 'worker_name', worker,
    'created_at', time, 'last_heartbeat', time)
  redis.call('SADD', key('worker', worker) .. ':executions', member)
  return to_run(job)
end
