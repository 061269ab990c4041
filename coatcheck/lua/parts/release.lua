-- Needs: keys, calendar, values, dependencies

-- Count a worker that a job lost, or a process that it shared. Returns how many there were, and their names.
local function lose(id, worker)
  local lost = add(key('job', id), 'lost', 1)
  local history = default(redis.call('HGET', key('job', id), 'lost_workers'), '')
  history = history .. (history ~= '' and ', ' or '') .. default(worker, '?') .. ' (' .. iso() .. ')'
  redis.call('HSET', key('job', id), 'lost_workers', history)
  return lost, history
end

-- Forget that a worker runs a job; its lease is its caller's to take.
local function release(id, execution, queue, worker)
  local member = id .. ':' .. execution
  redis.call('ZREM', key('wip', queue), member)
  redis.call('DEL', key('execution', member))
  redis.pcall('ZREM', key('executions', id), execution)
  redis.call('SREM', key('worker', worker) .. ':executions', member)
end

-- Whether a job's hash is gone, as when somebody deleted it while it ran. Then nothing else of it stays.
local function gone(id)
  if redis.call('TYPE', key('job', id)).ok == 'hash' then return false end
  redis.call('DEL', key('results', id), key('log', id))
  if redis.call('EXISTS', dependents_of(id)) == 1 then
    unsettle(id)
    redis.call('DEL', dependents_of(id))
  end
  return true
end
