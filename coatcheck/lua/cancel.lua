-- Cancel a job that waits, or ask for the stop of one that runs. KEYS: job.
-- ARGV: prefix, id, a token of this call. Returns {'canceled'}, {'stopping'}, {'ended', status} or
-- {'unknown'}; for a call that comes again since its answer was lost, {'known'}: it was done.
local id, token = ARGV[2], ARGV[3]
even_when_full()
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'worker_name', 'failure_ttl')
local status, queue = job[1], job[2]
if not status or not queue then return {'unknown'} end
if redis.call('HGET', KEYS[1], 'cancel_token') == token then return {'known'} end

if status == 'started' then
  redis.call('HSET', KEYS[1], 'stop_requested', '1', 'cancel_token', token)
  -- The message only hastens the stop: the worker also reads the field with each renewal of its lease.
  redis.call('PUBLISH', key('pubsub', default(job[3], '')), cjson.encode({command = 'stop-job', job_id = id}))
  return {'stopping'}
elseif status == 'queued' then
  if redis.call('LREM', key('queue', queue), 1, id) == 0 then
    redis.call('LREM', key('queue', queue) .. ':intermediate', 1, id)
  end
elseif status == 'scheduled' or status == 'deferred' then
  redis.call('ZREM', key(status, queue), id)
else
  return {'ended', status}
end
count_out(id)
redis.call('HSET', KEYS[1], 'cancel_token', token)
finish(id, queue, 'canceled', 'canceled', tonumber(default(job[4], '604800')))
return {'canceled'}
