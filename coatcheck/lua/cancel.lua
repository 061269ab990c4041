-- Needs: keys, values, full, access, shown, dependencies, ending, settling
-- Cancel a job that waits, or ask for the stop of one that runs. KEYS: job.
-- ARGV: prefix, id, owner and tasks of who asks, a token of this call. Returns {'job', what is shown},
-- {'ended', status}, {'unknown'} or {'forbidden', task}. A call that comes again since its answer was lost has been
-- done: it is only answered.
local id, token = ARGV[2], ARGV[5]
even_when_full()
local refused = refusal(id, ARGV[3], ARGV[4])
if refused then return refused end
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'worker_name', 'failure_ttl')
local status, queue = job[1], job[2]
if not status or not queue then return {'unknown'} end
if redis.call('HGET', KEYS[1], 'cancel_token') == token then return {'job', shown(id)} end

if status == 'started' then
  redis.call('HSET', KEYS[1], 'stop_requested', '1', 'cancel_token', token)
  -- The message only hastens the stop: the worker also reads the field with each renewal of its lease.
  redis.call('PUBLISH', key('pubsub', default(job[3], '')), cjson.encode({command = 'stop-job', job_id = id}))
  return {'job', shown(id)}
elseif status == 'queued' then
  if redis.call('LREM', key('queue', queue), 1, id) == 0 then
    redis.call('LREM', key('queue', queue) .. ':intermediate', 1, id)
  end
elseif status == 'scheduled' or status == 'deferred' then
  redis.call('ZREM', key(status, queue), id)
else
  return {'ended', status}
end
redis.call('HSET', KEYS[1], 'cancel_token', token)
finish(id, job_named(id, unpack(END_FIELDS)), queue, 'canceled', 'canceled', ttl_of(job[4], 604800))
if unsettled then settling().all() end
return {'job', shown(id)}
