-- Needs: keys, clock, calendar, values, queues

-- For RQ's readers: whether a worker is busy. Its hash expires when its heartbeats end, and stays so.
local function show_state(worker, state)
  if redis.call('EXISTS', key('worker', worker)) == 1 then
    redis.call('HSET', key('worker', worker), 'state', state)
  end
end

-- What a worker needs to know of a job: names and values, those that there are.
local function to_run(id)
  local names = {'data', 'timeout', 'attempt', 'at_most_once', 'retries', 'retries_left', 'retry_intervals',
    'enqueued_at', 'started_at', 'traceparent', 'tracestate', 'lost',
    'origin', 'result_ttl', 'failure_ttl', 'owner', 'callback', 'signature', 'dependency_ids', 'allow_dependency_failures', 'parent'}
  local values, found = redis.call('HMGET', key('job', id), unpack(names)), {}
  for i, name in ipairs(names) do
    if values[i] then
      found[#found + 1] = name
      found[#found + 1] = values[i]
    end
  end
  return found
end

-- Begin a job that left its queue: from here on it has an execution and a lease. Returns what its worker needs.
local function begin(id, queue, worker, execution, lease)
  local member, job_key, time = id .. ':' .. execution, key('job', id), string.format('%.6f', now)
  local times = redis.call('HMGET', job_key, 'enqueued_at', 'created_at')
  redis.call('HDEL', job_key, 'stop_requested', 'progress', 'error', 'taken_at', 'scheduled_for')
  set_status(id, queue, 'started', 'enqueued_at', times[1] or times[2] or iso(), 'started_at', iso(), 'ended_at', '',
    'last_heartbeat', iso(), 'worker_name', worker, 'execution', execution)
  add(job_key, 'attempt', 1)
  redis.call('ZADD', prefix .. ':leases', string.format('%.6f', now + lease), member)

  -- For RQ's own readers. The registry's entry never expires by itself: RQ would fail the job from
  -- whatever process happens to read it (its registries clean up when read), and the lease decides.
  redis.call('ZADD', key('wip', queue), '+inf', member)
  redis.pcall('ZADD', key('executions', id), '+inf', execution)
  redis.call('HSET', key('execution', member), 'id', execution, 'job_id', id, 'worker_name', worker,
    'created_at', time, 'last_heartbeat', time)
  redis.call('SADD', key('worker', worker) .. ':executions', member)
  return to_run(id)
end
