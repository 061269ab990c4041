-- Needs: keys

-- The fields that clients are shown of a job: SHOWN_FIELDS in codec.py.
local SHOWN = {'data', 'status', 'origin', 'created_at', 'owner', 'attempt', 'enqueued_at', 'started_at', 'ended_at',
  'worker_name', 'scheduled_for', 'interrupted', 'progress', 'error', 'stop_requested',
  'batch', 'dependency_ids', 'allow_dependency_failures', 'failed_dependency', 'parent', 'children'}
local HAS_RESULTS = {finished = true, failed = true, stopped = true}

-- What clients are shown of a job: the values of these fields, as far as there are any, and of one that has ended
-- the newest record of its results. Nothing where the keys hold something else.
local function shown(id)
  local values = redis.pcall('HMGET', key('job', id), unpack(SHOWN))
  if values.err then return {{}} end
  for last = #SHOWN, 1, -1 do
    if values[last] then break end
    values[last] = nil
  end
  if not HAS_RESULTS[values[2]] then return {values} end
  local records = redis.pcall('XREVRANGE', key('results', id), '+', '-', 'COUNT', 1)
  return {values, not records.err and records[1] and records[1][2] or {}}
end
