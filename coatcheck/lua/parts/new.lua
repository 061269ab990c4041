-- Needs: keys, calendar, queues

-- Write the hash of a new job, and put it on its queue, or on the schedule for `due` ('' = now). It is put there as
-- it is created, so that time is not written twice until it begins: of jobs that wait there are many.
local function create(id, queue, due, ...)
  redis.call('HSET', key('job', id), 'created_at', iso(), ...)
  if due ~= '' then return schedule(id, queue, tonumber(due)) end
  set_status(id, queue, 'queued')
  push(id, queue, false)
end
