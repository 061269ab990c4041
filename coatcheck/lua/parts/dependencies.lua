-- Needs: keys, clock, values

-- Jobs that come after others. A job's hash names its dependencies, and the set of a job's dependents has those that
-- wait for it, those that have not ended and may need its result, and those that were canceled because of it. All
-- these are RQ's own keys and fields (rq/job.py, register_dependency); one set is only for RQ's readers.
local function dependents_of(id) return key('job', id) .. ':dependents' end

local function dependencies_for_rq(id) return key('job', ':' .. id) .. ':dependencies' end

local function read_ids(text)
  local read, found = pcall(cjson.decode, text or '')
  local ids = {}
  for _, each in ipairs(read and type(found) == 'table' and found or {}) do
    if type(each) == 'string' and #ids < 100 then ids[#ids + 1] = each end
  end
  return ids
end

-- Jobs of whose dependencies one ended, or did so after all: what becomes of them is seen at the end of this script,
-- as far as it may go, and by a janitor (settle.lua). Whoever dies in between has changed nothing about that.
local UNSETTLED = prefix .. ':unsettled'
local unsettled = false

local function unsettle(id)
  redis.pcall('ZUNIONSTORE', UNSETTLED, 2, UNSETTLED, dependents_of(id), 'AGGREGATE', 'MIN')
  unsettled = true
end

-- Keep a finished job for as long as it says from now on, or, with `needed`, until nobody needs its result.
local function keep_finished(id, needed)
  local job = job_fields(id, 'origin', 'result_ttl', 'callback')
  if not job[1] then return end
  local ttl = math.max(ttl_of(job[2], 86400), job[3] and 86400 or 0)
  redis.call('ZADD', key('finished', job[1]), needed and '+inf' or string.format('%.6f', now + ttl), id)
  for _, name in ipairs({key('job', id), key('results', id), key('log', id), dependents_of(id)}) do
    if needed then redis.call('PERSIST', name) else redis.call('EXPIRE', name, ttl) end
  end
end

-- A job that has ended needs its dependencies no more. One that `comes_back` when the one that it was canceled for is
-- retried stays with those that have not finished.
local function let_go(id, dependencies, comes_back)
  for _, each in ipairs(dependencies) do
    local finished = job_fields(each, 'status')[1] == 'finished'
    if finished or not comes_back then
      local dropped = redis.pcall('SREM', dependents_of(each), id)
      if dropped == 1 and finished and redis.call('EXISTS', dependents_of(each)) == 0 then keep_finished(each, false) end
    end
  end
end
