-- Needs: keys

-- What clients are shown of a job: its hash, and the newest record of its results. Both are empty where the key
-- holds something else.
local function shown(id)
  local fields = redis.pcall('HGETALL', key('job', id))
  local records = redis.pcall('XREVRANGE', key('results', id), '+', '-', 'COUNT', 1)
  if fields.err then fields = {} end
  return {fields, not records.err and records[1] and records[1][2] or {}}
end
