-- Needs: keys, access, shown, queues, limits
-- Run again what failed, was stopped or canceled. KEYS: job. ARGV: prefix, id, owner and tasks of who asks, a
-- token of this call, the limits: it counts like a submission by the job's owner; and for a job with a callback what
-- its hash shall carry of the next delivery, as a JSON array of fields and values.
-- Returns {'job', what is shown}, {'refused', status}, {'unknown'}, {'forbidden', task}, or what `admit` says and
-- the allowance; for a job whose next delivery is not given {'callback', URL, queue, owner}. A call that comes again since its answer was lost has been done: it is only answered.
local id, token = ARGV[2], ARGV[5]
local refused = refusal(id, ARGV[3], ARGV[4])
if refused then return refused end
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'retries', 'owner', 'callback')
local status, queue = job[1], job[2]
if not status or not queue then return {'unknown'} end
if redis.call('HGET', KEYS[1], 'retry_token') == token then return {'job', shown(id)} end
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then return {'refused', status} end
if job[5] and not ARGV[7] then return {'callback', job[5], queue, job[4] or ''} end

local owner, limits = job[4] or '', limits_of(ARGV[6])
local limit = admit(owner, {[queue] = 1}, limits)
if limit then return {limit[1], limit[2], allowance(owner, limits)} end

redis.call('ZREM', key('failed', queue), id)
redis.call('ZREM', key('canceled', queue), id)
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', key('results', id))
redis.call('PERSIST', key('log', id))
redis.call('HDEL', KEYS[1], 'stop_requested', 'progress', 'error', 'interrupted', 'lost', 'lost_workers', 'worker_name',
  'scheduled_for', 'unknown_since', 'taken_at')
redis.call('HSET', KEYS[1], 'started_at', '', 'ended_at', '', 'retry_token', token)
if job[3] then redis.call('HSET', KEYS[1], 'retries_left', job[3]) end
if ARGV[7] then redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[7]))) end
enqueue(id, queue, false)
return {'job', shown(id)}
