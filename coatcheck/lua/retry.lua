-- Needs: access, shown, queues, limits, dependencies, settling
-- Run again what failed, was stopped or canceled. KEYS: job. ARGV: prefix, id, owner and tasks of who asks, a
-- token of this call, the limits: it counts like a submission by the job's owner; and for a job with a callback what
-- its hash shall carry of the next delivery, as a JSON array of fields and values.
-- Returns {'job', what is shown}, {'refused', status}, {'blocked', the dependency that did not finish, what became of
-- it}, {'unknown'}, {'forbidden', task}, or what `admit` says and the allowance; for a job whose next delivery is not
-- given {'callback', URL, queue, owner}. A call that comes again since its answer was lost has been done: it is only
-- answered.
local id, token = ARGV[2], ARGV[5]
local refused = refusal(id, ARGV[3], ARGV[4])
if refused then return refused end
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'dependency_ids', 'owner', 'callback',
  'allow_dependency_failures', 'enqueued_at')
local status, queue = job[1], job[2]
if not status or not queue then return {'unknown'} end
if redis.call('HGET', KEYS[1], 'retry_token') == token then return {'job', shown(id)} end
if status ~= 'failed' and status ~= 'stopped' and status ~= 'canceled' then return {'refused', status} end
local settled = settling()
local dependencies = read_ids(job[3])
local may, other, how = 'on', nil, nil
-- Whose dependencies had finished once, has what it waited for: they can't have failed since, but be kept no more.
if job[6] == '1' or not job[7] then may, other, how = settled.verdict(dependencies, job[6] == '1') end
if may == 'never' then return {'blocked', other, how} end
if job[5] and not ARGV[7] then return {'callback', job[5], queue, job[4] or ''} end

local owner, limits = job[4] or '', cjson.decode(ARGV[6])
local limit = admit(owner, {[queue] = 1}, limits)
if limit then return {limit[1], limit[2], allowance(owner, limits)} end

settled.revive(id, queue)
redis.call('HDEL', KEYS[1], 'scheduled_for')
redis.call('HSET', KEYS[1], 'retry_token', token)
if ARGV[7] then redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[7]))) end
if may == 'wait' then
  settled.defer(id, queue, dependencies)
else
  settled.join(id, dependencies)
  enqueue(id, queue, false)
end
if unsettled then settled.all() end
return {'job', shown(id)}
