-- Needs: values, lists, limits, new
-- A tick of a periodic task: its job is submitted once, whoever comes and how often. KEYS: the schedule.
-- ARGV: prefix, the tick's second, what becomes of it while the job before has not ended ('skip', 'queue'), the
-- limits, the job as for `submit.lua`: a JSON array, its data.
-- Returns 'new', 'known', 'paused', 'skipped', or 'full': the tick is not used up then, and may come again.
local tick = ARGV[2]
local kept = redis.pcall('HMGET', KEYS[1], 'last', 'paused', 'job')
if kept.err then  -- somebody planted something else
  redis.call('DEL', KEYS[1])
  kept = {}
end
local last, paused, before = kept[1], kept[2], kept[3]
if last and tonumber(tick) <= number_of(last, 0) then return 'known' end
if paused == '1' then
  redis.call('HSET', KEYS[1], 'last', tick)
  return 'paused'
end
if ARGV[3] == 'skip' and before then
  local status = job_fields(before, 'status')[1]
  if WAITS[status or ''] or status == 'started' then
    redis.call('HSET', KEYS[1], 'last', tick)
    add(KEYS[1], 'skipped', 1)
    return 'skipped'
  end
end

local job = cjson.decode(ARGV[5])
local id, queue = job[1], job[2]
if admit('', {[queue] = 1}, cjson.decode(ARGV[4])) then return 'full' end
create(id, queue, '', '', 'data', ARGV[6], unpack(job, 4))
redis.call('HSET', KEYS[1], 'last', tick, 'job', id, 'ran', tick)
return 'new'
