-- A worker begins a job that it took. KEYS: job, intermediate list of the queue, leases.
-- ARGV: prefix, id, queue, worker, execution, seconds of the lease.
-- Returns the job's fields and values, or {} when the job is no longer this worker's to run: it was
-- canceled, or lay so long between taking and beginning that it was put back. The same execution may ask
-- again when the answer was lost: as long as it holds its lease it is told the same, and begins once.
local id, queue, worker, execution, lease = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local member = id .. ':' .. execution
local ends = string.format('%.6f', now + lease)
if redis.call('ZSCORE', KEYS[3], member) then
  even_when_full()
  redis.call('ZADD', KEYS[3], ends, member)
  return redis.call('HGETALL', KEYS[1])
end
if redis.call('LREM', KEYS[2], 1, id) == 0 then return {} end
if redis.call('HGET', KEYS[1], 'status') ~= 'queued' then return {} end

redis.call('HDEL', KEYS[1], 'stop_requested', 'progress', 'error', 'taken_at', 'scheduled_for')
redis.call('HSET', KEYS[1], 'status', 'started', 'started_at', iso(), 'ended_at', '',
  'last_heartbeat', iso(), 'worker_name', worker, 'execution', execution)
redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('ZADD', KEYS[3], ends, member)

-- For RQ's own readers. The registry's entry never expires by itself: RQ would fail the job from
-- whatever process happens to read it (its registries clean up when read), and the lease decides.
redis.call('ZADD', key('wip', queue), '+inf', member)
redis.call('ZADD', key('executions', id), '+inf', execution)
redis.call('HSET', key('execution', member), 'id', execution, 'job_id', id, 'worker_name', worker,
  'created_at', string.format('%.6f', now), 'last_heartbeat', string.format('%.6f', now))
redis.call('SADD', key('worker', worker) .. ':executions', member)
return redis.call('HGETALL', KEYS[1])
