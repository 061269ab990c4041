-- Needs: keys, values

-- Count the jobs of a batch that have not ended: `by` more. What is kept of the batch stays until all have, and then
-- as long as the last of them may.
local function count_open(batch, by)
  local name = key('batch', batch)
  if redis.call('EXISTS', name) == 0 then return end
  if add(name, 'open', by) <= 0 then
    redis.call('EXPIRE', name, ttl_of(redis.call('HGET', name, 'ttl'), 604800))
  elseif by > 0 then
    redis.call('PERSIST', name)
  end
end
