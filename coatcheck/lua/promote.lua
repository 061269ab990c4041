-- Needs: keys, clock, values, full, queues
-- Move what is due from a queue's schedule to the queue, and put back what a worker took and never
-- began. KEYS: schedule, intermediate list, queue. ARGV: prefix, queue, seconds until a taken job counts
-- as forgotten, how many jobs at most. Returns how many were moved.
local queue, patience, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local moved = 0
even_when_full()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now), 'LIMIT', 0, limit)) do
  redis.call('ZREM', KEYS[1], id)
  if job_fields(id, 'status')[1] == 'scheduled' then
    redis.call('HDEL', key('job', id), 'scheduled_for')
    enqueue(id, queue, false)
    moved = moved + 1
  end
end

for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, limit - 1)) do
  local job = job_fields(id, 'status', 'taken_at')
  if job[1] ~= 'queued' then
    redis.call('LREM', KEYS[2], 1, id)
  elseif not job[2] then
    redis.call('HSET', key('job', id), 'taken_at', string.format('%.6f', now))
  elseif now - number_of(job[2], 0) > patience then
    redis.call('LREM', KEYS[2], 1, id)
    redis.call('HDEL', key('job', id), 'taken_at')
    redis.call('LPUSH', KEYS[3], id)
    moved = moved + 1
  end
end
return moved
