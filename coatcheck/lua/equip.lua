-- Needs: full, ending
-- Give a job that was brought back the delivery of its next end; where that has come already, it is told now.
-- KEYS: job, the jobs that lack one. ARGV: prefix, id, what its hash shall carry of the delivery, as a JSON array of
-- fields and values. Who comes second does nothing.
local id = ARGV[2]
even_when_full()
if redis.call('ZREM', KEYS[2], id) == 0 then return end
local job = redis.pcall('HMGET', KEYS[1], 'callback', 'delivery', 'ended_at', 'status')
if job.err or not job[1] or job[2] or not job[4] then return end
redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[3])))
if job[3] and job[3] ~= '' then call_back(id, redis.call('HGET', KEYS[1], 'delivery'), 0) end
