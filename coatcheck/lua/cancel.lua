-- Needs: keys, values, full, access, shown, dependencies, ending, settling
-- Cancel jobs that wait, and ask for the stop of those that run. KEYS: job.
-- ARGV: prefix, id, owner and tasks of who asks, a token of this call, then the ids of more jobs, of the same batch.
-- Returns of the first one {'job', what is shown}, {'ended', status}, {'unknown'} or {'forbidden', task}. A call that
-- comes again since its answer was lost has been done: it is only answered.
local first, owner, tasks, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
even_when_full()

-- Each search takes as long as there are jobs in front. Those of a batch stand next to each other: one of them is
-- searched for, and all that were found are removed in one go, behind a mark that is no job's id.
local off_queue = {}
local function take_off(queue, ids)
  local list, found, place = key('queue', queue), 0, nil
  for _, id in ipairs(ids) do
    place = place and place + 1
    if not place or redis.call('LINDEX', list, place) ~= id then place = redis.call('LPOS', list, id) end
    if place then
      redis.call('LSET', list, place, token)
      found, off_queue[id] = found + 1, true
    end
  end
  if found > 0 then redis.call('LREM', list, found, token) end
end

local function take_off_all(ids)
  local queues = {}
  for _, id in ipairs(ids) do
    local job = job_fields(id, 'status', 'origin', 'cancel_token')
    if job[1] == 'queued' and job[2] and job[3] ~= token and not refusal(id, owner, tasks) then
      queues[job[2]] = queues[job[2]] or {}
      table.insert(queues[job[2]], id)
    end
  end
  for queue, those in pairs(queues) do take_off(queue, those) end
end

local settled
local function cancel(id)
  local refused = refusal(id, owner, tasks)
  if refused then return refused end
  local name = key('job', id)
  local job = redis.call('HMGET', name, 'status', 'origin', 'worker_name', 'failure_ttl', 'cancel_token')
  local status, queue = job[1], job[2]
  if not queue then return {'unknown'} end
  if job[5] == token then return nil end

  if status == 'started' then
    redis.call('HSET', name, 'stop_requested', '1', 'cancel_token', token)
    -- The message only hastens the stop: the worker also reads the field with each renewal of its lease.
    redis.call('PUBLISH', key('pubsub', default(job[3], '')), cjson.encode({command = 'stop-job', job_id = id}))
    return nil
  elseif status == 'queued' then
    if not off_queue[id] and redis.call('LREM', key('queue', queue), 1, id) == 0 then
      redis.call('LREM', key('queue', queue) .. ':intermediate', 1, id)
    end
  elseif status == 'scheduled' or status == 'deferred' then
    redis.call('ZREM', key(status, queue), id)
  else
    return {'ended', status}
  end
  redis.call('HSET', name, 'cancel_token', token)
  finish(id, queue, 'canceled', 'canceled', ttl_of(job[4], 604800))
  if unsettled then
    settled = settled or settling()
    unsettled = settled.all()
  end
  return nil
end

local others = {unpack(ARGV, 6)}
if #others > 0 then take_off_all({first, unpack(others)}) end
local refused = cancel(first)
for _, id in ipairs(others) do cancel(id) end
return refused or {'job', shown(first)}
