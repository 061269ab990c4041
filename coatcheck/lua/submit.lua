-- Submit jobs, all or none. KEYS: index, and with an idempotency key its record.
-- ARGV: prefix, fingerprint ('' without an idempotency key), its time to live, then for each job two:
-- a JSON array of texts (id, queue, due second or '' = now, fields of the hash and their values), its data.
-- Returns {'new', time}, {'known', id, what is shown of it, id, ...} or {'mismatch'}.
local fingerprint = ARGV[2]
if fingerprint ~= '' then
  local known = redis.call('HMGET', KEYS[2], 'fingerprint', 'jobs')
  for id in string.gmatch(known[2] or '', '[^,]+') do
    if redis.call('EXISTS', key('job', id)) == 1 then
      if known[1] ~= fingerprint then return {'mismatch'} end
      local answer = {'known'}
      for each in string.gmatch(known[2], '[^,]+') do
        answer[#answer + 1] = each
        answer[#answer + 1] = shown(each)
      end
      return answer
    end
  end
end

local ids = {}
for i = 4, #ARGV, 2 do
  local job = cjson.decode(ARGV[i])
  local id, queue, due = job[1], job[2], job[3]
  -- The id is there already when the client repeats a call whose answer was lost.
  if redis.call('EXISTS', key('job', id)) == 0 then
    if due ~= '' then schedule(id, queue, tonumber(due)) else enqueue(id, queue, false) end
    create(id, 'data', ARGV[i + 1], unpack(job, 4))
  end
  ids[#ids + 1] = id
end

if fingerprint ~= '' then
  redis.call('HSET', KEYS[2], 'fingerprint', fingerprint, 'jobs', table.concat(ids, ','))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return {'new', iso()}
