-- Run again what failed, was stopped or canceled. KEYS: job. ARGV: prefix, id, a token of this call, then the
-- fields and values of a new delivery to its callback. Without them, and with a callback, the answer is
-- {'callback', URL, queue}, and nothing is done.
-- Returns {'queued'}, {'refused', status} or {'unknown'}; for a call that comes again since its answer was
-- lost, {'known'}: it was done.
local id, token = ARGV[2], ARGV[3]
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'retries', 'callback')
local status, queue = job[1], job[2]
if not status or not queue then return {'unknown'} end
if redis.call('HGET', KEYS[1], 'retry_token') == token then return {'known'} end
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then return {'refused', status} end
if job[4] and #ARGV == 3 then return {'callback', job[4], queue} end

redis.call('ZREM', key('failed', queue), id)
redis.call('ZREM', key('canceled', queue), id)
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', key('results', id))
redis.call('PERSIST', key('log', id))
redis.call('HDEL', KEYS[1], 'stop_requested', 'progress', 'error', 'interrupted', 'lost', 'lost_workers', 'worker_name',
  'scheduled_for', 'unknown_since', 'taken_at')
redis.call('HSET', KEYS[1], 'started_at', '', 'ended_at', '', 'retry_token', token)
if job[3] then redis.call('HSET', KEYS[1], 'retries_left', job[3]) end
if #ARGV > 3 then redis.call('HSET', KEYS[1], unpack(ARGV, 4)) end
enqueue(id, queue, false)
return {'queued'}
