-- Needs: keys, clock, calendar, values, queues, batches, dependencies

-- Tell the end of a job to its callback: the delivery that its hash carries becomes a job of its own, at the
-- head of its queue. What is no delivery, or would replace another job, is dropped. Returns how long the job is
-- kept: at least until the last attempt (coatcheck/callbacks.py).
local function call_back(id, delivery, ttl)
  local carried, names, fields = redis.call('HGETALL', key('job', id)), {}, {}
  for i = 1, #carried, 2 do
    local name = string.match(carried[i], '^delivery[.](.*)$')
    if name then
      names[#names + 1] = carried[i]
      fields[#fields + 1] = name
      fields[#fields + 1] = carried[i + 1]
    end
  end
  local queue = redis.call('HGET', key('job', id), 'delivery.origin')
  redis.call('HDEL', key('job', id), 'delivery')
  for _, name in ipairs(names) do redis.call('HDEL', key('job', id), name) end
  if not queue or #fields > 100 or redis.call('EXISTS', key('job', delivery)) == 1 then return ttl end
  redis.call('HSET', key('job', delivery), 'created_at', iso(), unpack(fields))
  enqueue(delivery, queue, true)
  return math.max(ttl, 86400)
end

-- What its end asks of a job.
local END_FIELDS = {'owner', 'delivery', 'dependency_ids', 'batch', 'failed_dependency', 'log_size'}

-- End a job: its status, its registry, the time to live of what belongs to it, and a word to those who wait for it.
-- Takes what its hash has of END_FIELDS, and more fields of it with their values. Scripts that use it see to what
-- comes after the job with `settle`.
local function finish_known(id, job, queue, status, registry, ttl, ...)
  if job.delivery then ttl = call_back(id, job.delivery, ttl) end
  set_status_of(job.owner, id, queue, status, 'ended_at', iso(), ...)
  redis.call('ZADD', key(registry, queue), string.format('%.6f', now + ttl), id)
  redis.call('EXPIRE', key('job', id), ttl)
  redis.call('EXPIRE', key('results', id), ttl)
  if job.log_size then redis.call('EXPIRE', key('log', id), ttl) end
  redis.call('PUBLISH', key('ended', id), status)
  if redis.call('EXISTS', dependents_of(id)) == 1 then
    unsettle(id)
    if status == 'finished' then keep_finished(id, true) else redis.call('EXPIRE', dependents_of(id), ttl) end
  end
  if job.dependency_ids then
    let_go(id, read_ids(job.dependency_ids), status == 'canceled' and job.failed_dependency)
    redis.call('EXPIRE', dependencies_for_rq(id), ttl)
  end
  if job.batch then count_open(job.batch, -1) end
end

local function finish(id, ...) finish_known(id, job_named(id, unpack(END_FIELDS)), ...) end
