-- Needs: keys, full, lists, settling
-- Hold the lists to the jobs: drop ids whose job is gone, and show a job where it belongs that others than
-- Coatcheck's scripts have moved on (RQ's own tools do): what waits for such a job learns of it here.
-- KEYS: index, owned. ARGV: prefix, ids.
even_when_full()
for i = 2, #ARGV do
  local id = ARGV[i]
  local job = redis.pcall('HMGET', key('job', id), 'status', 'origin', 'owner')
  if job.err or job[1] and not job[2] then
    -- Neither ours to show nor to drop.
  elseif job[1] then
    show_as(id, job[2], job[1], job[3])
    if job[1] == 'deferred' then settling().one(id) end
  elseif redis.call('EXISTS', key('job', id)) == 0 then
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
  end
end
