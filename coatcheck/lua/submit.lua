-- Submit jobs, all or none. KEYS: index, idempotency record.
-- ARGV: prefix, fingerprint ('' without an idempotency key), its time to live, the jobs' owner ('' = nobody's),
-- the three limits, then for each job: id, queue, due second ('' = now), number of hash fields, fields and values.
-- Returns {'new', time, allowance}, {'known', ids}, {'mismatch'}, or what `admit` says and the allowance.
local fingerprint, owner = ARGV[2], ARGV[4]
local most_queued, most_waiting, per_minute = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local FIRST = 8
if fingerprint ~= '' then
  local known = redis.call('HMGET', KEYS[2], 'fingerprint', 'jobs')
  for id in string.gmatch(known[2] or '', '[^,]+') do
    if redis.call('EXISTS', key('job', id)) == 1 then
      if known[1] ~= fingerprint then return {'mismatch'} end
      return {'known', known[2]}
    end
  end
end

local ids, new, counts = {}, {}, {}
local i = FIRST
while i <= #ARGV do
  local id, queue = ARGV[i], ARGV[i + 1]
  local last = i + 3 + 2 * tonumber(ARGV[i + 3])
  -- The id is there already when the client repeats a call whose answer was lost.
  if redis.call('EXISTS', key('job', id)) == 0 then
    new[#new + 1] = {i, last}
    counts[queue] = (counts[queue] or 0) + 1
  end
  ids[#ids + 1] = id
  i = last + 1
end

local refusal = admit(owner, counts, most_queued, most_waiting, per_minute)
if refusal then return {refusal[1], refusal[2], allowance(owner, per_minute)} end

for _, at in ipairs(new) do
  local first, last = at[1], at[2]
  local id, queue, due = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  redis.call('HSET', key('job', id), unpack(ARGV, first + 4, last))
  if due ~= '' then schedule(id, queue, tonumber(due)) else enqueue(id, queue, false) end
  redis.call('ZADD', KEYS[1], 0, id)
end

if fingerprint ~= '' then
  redis.call('HSET', KEYS[2], 'fingerprint', fingerprint, 'jobs', table.concat(ids, ','))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return {'new', iso(), allowance(owner, per_minute)}
