-- Needs: keys, calendar, lists

-- Write the status of an owner's job, and what else follows; show it as that.
local function set_status_of(owner, id, queue, status, ...)
  redis.call('HSET', key('job', id), 'status', status, ...)
  show_as(id, queue, status, owner)
end

local function set_status(id, queue, status, ...)
  set_status_of(redis.call('HGET', key('job', id), 'owner'), id, queue, status, ...)
end

-- A queue that holds jobs already is known already.
local function push(id, queue, front)
  local list = key('queue', queue)
  if redis.call(front and 'LPUSH' or 'RPUSH', list, id) == 1 then redis.call('SADD', prefix .. ':queues', list) end
end

-- Put a job on its queue's end, or with `front` at its head.
local function enqueue(id, queue, front)
  set_status(id, queue, 'queued', 'enqueued_at', iso())
  push(id, queue, front)
end

-- Put a job on its queue's schedule, for `at` in seconds since 1970.
local function schedule(id, queue, at)
  set_status(id, queue, 'scheduled', 'scheduled_for', string.format('%.6f', at))
  redis.call('SADD', prefix .. ':queues', key('queue', queue))
  redis.call('ZADD', key('scheduled', queue), string.format('%.6f', at), id)
end
