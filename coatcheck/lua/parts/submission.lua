-- Needs: keys, shown

-- What the scripts that submit jobs have in common, beside their arguments (submit.lua).
-- The answer to a request that has come before with its idempotency key, nil to any other.
local function answer_again(record, fingerprint)
  local known = redis.call('HMGET', record, 'fingerprint', 'jobs')
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
  return nil
end

-- The jobs that stand in ARGV up to `last`: all ids; those that are not there yet, by their place in ARGV; how many
-- of these there are for each queue. A job is there when the client repeats a call whose answer was lost.
local function read_jobs(last)
  local ids, new, counts = {}, {}, {}
  for i = 3, last, 2 do
    local job = cjson.decode(ARGV[i])
    local id, queue = job[1], job[2]
    if redis.call('EXISTS', key('job', id)) == 0 then
      new[i] = job
      counts[queue] = (counts[queue] or 0) + 1
    end
    ids[#ids + 1] = id
  end
  return ids, new, counts
end

local function remember(record, fingerprint, ttl, ids)
  redis.call('HSET', record, 'fingerprint', fingerprint, 'jobs', table.concat(ids, ','))
  redis.call('EXPIRE', record, ttl)
end
