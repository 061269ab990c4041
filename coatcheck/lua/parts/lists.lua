-- Needs: keys

-- Whether a job has an id as Coatcheck makes them: RQ may have others here, which no list of ours shows.
local function ours(id) return #id == 36 and not string.find(id, '[^0-9a-z]') end

-- Where a job stands in the sorted sets that lists are made of (list.lua): all jobs of a queue, or of an owner, and
-- of one status have one score, so they are a range in the order of their ids. A whole number below 2^53.
local PLACES = {queued = 1, scheduled = 2, deferred = 3, started = 4, finished = 5, failed = 6, stopped = 7, canceled = 8}
local WAITS = {queued = true, scheduled = true, deferred = true}

local places = {}
local function place(name, status)
  places[name] = places[name] or tonumber(string.sub(redis.sha1hex(name), 1, 11), 16) * 16
  return string.format('%.0f', places[name] + (PLACES[status] or 0))
end

-- Show a job in the lists, and count it among its owner's waiting jobs as long as it waits. These are sets, so
-- nothing is counted twice. That something else stands at their keys must not stop a job.
local function show_as(id, queue, status, owner)
  if not ours(id) then return end
  redis.pcall('ZADD', prefix .. ':index', place(queue, status), id)
  if owner and owner ~= '' then
    redis.pcall('ZADD', prefix .. ':owned', place(owner, status), id)
    redis.pcall(WAITS[status] and 'SADD' or 'SREM', owners_key('waiting', owner), id)
  end
end
