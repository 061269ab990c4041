-- Needs: keys, clock, full
-- Drop entries of a registry whose jobs have expired, from the lists too. KEYS: registry, index, owned.
-- ARGV: prefix, how many at most. Returns how many were dropped.
even_when_full()
-- The hash expires in the same moment as its entry, but by a clock that is read a little earlier.
local due = string.format('%.6f', now - 1)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', due, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  redis.call('ZREM', KEYS[1], id)
  if redis.call('EXISTS', key('job', id)) == 0 then
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
  end
end
return #ids
