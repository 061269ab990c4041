-- Submit jobs, all or none. KEYS: index, idempotency record.
-- ARGV: prefix, fingerprint ('' without an idempotency key), its time to live, then for each job:
-- id, queue, due second ('' = now), number of hash fields, fields and values.
-- Returns {'new', time}, {'known', ids} or {'mismatch'}.
local fingerprint = ARGV[2]
if fingerprint ~= '' then
  local known = redis.call('HMGET', KEYS[2], 'fingerprint', 'jobs')
  for id in string.gmatch(known[2] or '', '[^,]+') do
    if redis.call('EXISTS', key('job', id)) == 1 then
      if known[1] ~= fingerprint then return {'mismatch'} end
      return {'known', known[2]}
    end
  end
end

local ids = {}
local i = 4
while i <= #ARGV do
  local id, queue, due = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local last = i + 3 + 2 * tonumber(ARGV[i + 3])
  -- The id is there already when the client repeats a call whose answer was lost.
  if redis.call('EXISTS', key('job', id)) == 0 then
    if due ~= '' then schedule(id, queue, tonumber(due)) else enqueue(id, queue, false) end
    create(id, unpack(ARGV, i + 4, last))
  end
  ids[#ids + 1] = id
  i = last + 1
end

if fingerprint ~= '' then
  redis.call('HSET', KEYS[2], 'fingerprint', fingerprint, 'jobs', table.concat(ids, ','))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return {'new', iso()}
