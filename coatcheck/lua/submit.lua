-- Needs: keys, calendar, shown, limits, new, links
-- Submit jobs, all or none. KEYS: index, and with an idempotency key its record.
-- ARGV: prefix, fingerprint ('' without an idempotency key), its time to live, the jobs' owner ('' = nobody's),
-- the limits, then for each job two: a JSON array of texts (id, queue, due second or '' = now, fields of the hash
-- and their values), its data; and when they belong to other jobs, one more: how, as JSON (`_links` in adapter.py).
-- Returns {'new', time, allowance, and with links a list: for each job that comes after others and does not wait for
-- them its number, and what is shown of it}, {'known', id, what is shown of it, id, ...}, {'mismatch'}, {'dependency', number of the
-- job, of its entry}: it is not there, {'parent'}: nor is that, {'children'}: it has too many, or what `admit` says
-- and the allowance. Numbers count from 0.
local fingerprint, owner, limits = ARGV[2], ARGV[4], limits_of(ARGV[5])
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

local links = #ARGV % 2 == 0 and cjson.decode(ARGV[#ARGV])
local ids, new, counts = {}, {}, {}
for i = 6, #ARGV - 1, 2 do
  local job = cjson.decode(ARGV[i])
  local id, queue = job[1], job[2]
  -- The id is there already when the client repeats a call whose answer was lost.
  if redis.call('EXISTS', key('job', id)) == 0 then
    new[i], new[id] = job, true
    counts[queue] = (counts[queue] or 0) + 1
  end
  ids[#ids + 1] = id
end

local refused = links and links_refusal(links, ids, new)
if refused then return refused end
local limit = admit(owner, counts, limits)
if limit then return {limit[1], limit[2], allowance(owner, limits)} end

for i = 6, #ARGV - 1, 2 do
  if new[i] then
    local id, queue, due = unpack(new[i], 1, 3)
    local make = links and after_of(links, i / 2 - 2) and create_deferred or create
    make(id, queue, due, owner, 'data', ARGV[i + 1], unpack(new[i], 4))
  end
end

if fingerprint ~= '' then
  redis.call('HSET', KEYS[2], 'fingerprint', fingerprint, 'jobs', table.concat(ids, ','))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
local answer = {'new', iso(), allowance(owner, limits)}
if links then answer[#answer + 1] = link(links, ids, new, owner) end
return answer
