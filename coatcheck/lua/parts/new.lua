-- Needs: keys, calendar, lists, queues

-- Write the hash of a new job, and put it on its queue, or on the schedule for `due` ('' = now). It is put there as
-- it is created, so that time is not written twice until it begins: of jobs that wait there are many.
local function create(id, queue, due, owner, ...)
  if due ~= '' then
    redis.call('HSET', key('job', id), 'created_at', iso(), ...)
    return schedule(id, queue, tonumber(due))
  end
  redis.call('HSET', key('job', id), 'status', 'queued', 'created_at', iso(), ...)
  show_as(id, queue, 'queued', owner)
  push(id, queue, false)
end
