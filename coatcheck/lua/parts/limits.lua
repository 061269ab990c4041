-- Needs: keys, clock

-- Limits of what waits, shared by the scripts that put more on a queue. They are given as JSON, each 0 for none:
-- `queued`, jobs that wait on a queue (scheduled and deferred ones too); `waiting`, jobs of an owner that wait;
-- `per_minute`, jobs of an owner in a minute.
local function waiting_on(queue)
  local list = key('queue', queue)
  return redis.call('LLEN', list) + redis.call('LLEN', list .. ':intermediate')
    + redis.call('ZCARD', key('scheduled', queue)) + redis.call('ZCARD', key('deferred', queue))
end

-- What counts for an owner: `waiting`, how many jobs wait; `room`, how many may come; `take`, to let some come.
-- These are made here, since most calls ask for no owner.
local function account_of(owner, limits)
  -- A token bucket that holds as many jobs as may come in a minute and fills up evenly. What is taken out of it
  -- is kept, in millionths of a job's share of a minute: whole numbers below 2^53, so that no rounding lets one
  -- job too many pass.
  local MINUTE, per_minute = 60000000, limits.per_minute
  local microseconds = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  local taken = 0
  if per_minute > 0 then
    local kept = redis.pcall('GET', owners_key('rate', owner))
    local before, at = string.match(type(kept) == 'string' and kept or '', '^(%d+):(%d+)$')
    if before then taken = math.max(0, tonumber(before) - math.max(0, microseconds - tonumber(at)) * per_minute) end
  end

  -- How many more fit now, and the microseconds until there is room for `count`, or for one more than now.
  local function room(count)
    if per_minute == 0 then return 0, 0 end
    local left = math.max(0, math.floor((per_minute * MINUTE - taken) / MINUTE))
    if left >= per_minute then return left, 0 end
    return left, math.max(0, math.ceil((taken + (count or left + 1) * MINUTE) / per_minute) - MINUTE)
  end

  local function take(count)
    local text = string.format('%.0f:%.0f', taken + count * MINUTE, microseconds)
    local milliseconds = math.ceil((taken + count * MINUTE) / per_minute / 1000) + 1
    redis.call('SET', owners_key('rate', owner), text, 'PX', milliseconds)
  end

  -- What is no set there counts nothing: see show_as.
  local waiting = redis.pcall('SCARD', owners_key('waiting', owner))
  return {waiting = type(waiting) == 'number' and waiting or 0, room = room, take = take}
end

-- Let more jobs of an owner in, or not; `counts` tells how many for each queue. Returns what refuses them, or
-- nil: then they count. 'full', the queue; 'waiting', how many wait; 'rate', microseconds until they would fit.
local function admit(owner, counts, limits)
  local total = 0
  for queue, count in pairs(counts) do
    if limits.queued > 0 and waiting_on(queue) + count > limits.queued then return {'full', queue} end
    total = total + count
  end
  if owner == '' or total == 0 then return nil end
  local account = account_of(owner, limits)
  if limits.waiting > 0 and account.waiting + total > limits.waiting then return {'waiting', account.waiting} end
  if limits.per_minute == 0 then return nil end
  local left, wait = account.room(total)
  if total > left then return {'rate', wait} end
  account.take(total)
  return nil
end

-- What an owner has left, for who asks, as three values: jobs that may come at once, microseconds until there is one
-- more, jobs that wait. Nothing for nobody.
local function allowance(owner, limits)
  if owner == '' then return end
  local account = account_of(owner, limits)
  local left, wait = account.room()
  return left, wait, account.waiting
end
