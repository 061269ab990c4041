-- Needs: keys

-- What clients are shown of a job: the values of these fields (SHOWN_FIELDS in codec.py), as far as there are any, and
-- of one that has ended the newest record of its results. Nothing where the keys hold something else.
local function shown(id)
  local fields = {'data', 'status', 'origin', 'created_at', 'owner', 'attempt', 'enqueued_at', 'started_at', 'ended_at',
    'worker_name', 'scheduled_for', 'interrupted', 'progress', 'error', 'stop_requested',
    'batch', 'dependency_ids', 'allow_dependency_failures', 'failed_dependency', 'parent', 'children'}
  local values = redis.pcall('HMGET', key('job', id), unpack(fields))
  if values.err then return {{}} end
  for last = #fields, 1, -1 do
    if values[last] then break end
    values[last] = nil
  end
  local status = values[2]
  if status ~= 'finished' and status ~= 'failed' and status ~= 'stopped' then return {values} end
  local records = redis.pcall('XREVRANGE', key('results', id), '+', '-', 'COUNT', 1)
  return {values, not records.err and records[1] and records[1][2] or {}}
end
