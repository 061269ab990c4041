-- Needs: keys, clock

-- Limits of what waits, shared by the scripts that put more on a queue. Given as three numbers in a text, 0 for
-- none: jobs that wait on a queue (scheduled and deferred ones too), jobs of an owner that wait, jobs of an owner in
-- a minute.
local function limits_of(text)
  local queued, waiting, per_minute = string.match(text, '^(%d+) (%d+) (%d+)$')
  return {queued = tonumber(queued), waiting = tonumber(waiting), per_minute = tonumber(per_minute)}
end

-- A token bucket that holds as many jobs as may come in a minute and fills up evenly. What is taken out of it
-- is kept, in millionths of a job's share of a minute: whole numbers below 2^53, so that no rounding lets one
-- job too many pass.
local MINUTE = 60000000
local microseconds = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function taken_out(owner, per_minute)
  local kept = redis.pcall('GET', owners_key('rate', owner))
  local taken, at = string.match(type(kept) == 'string' and kept or '', '^(%d+):(%d+)$')
  if not taken then return 0 end
  return math.max(0, tonumber(taken) - math.max(0, microseconds - tonumber(at)) * per_minute)
end

local function take_out(owner, per_minute, taken)
  local text = string.format('%.0f:%.0f', taken, microseconds)
  redis.call('SET', owners_key('rate', owner), text, 'PX', math.ceil(taken / per_minute / 1000) + 1)
end

-- How many more fit now, and the microseconds until there is room for `count`, or for one more than now.
local function room_in(taken, per_minute, count)
  local left = math.max(0, math.floor((per_minute * MINUTE - taken) / MINUTE))
  if left >= per_minute then return left, 0 end
  return left, math.max(0, math.ceil((taken + (count or left + 1) * MINUTE) / per_minute) - MINUTE)
end

-- How many an owner has waiting. What is no set there counts nothing: see show_as.
local function waiting_now(owner)
  local count = redis.pcall('SCARD', owners_key('waiting', owner))
  return type(count) == 'number' and count or 0
end

local function waiting_on(queue)
  local list = key('queue', queue)
  return redis.call('LLEN', list) + redis.call('LLEN', list .. ':intermediate')
    + redis.call('ZCARD', key('scheduled', queue)) + redis.call('ZCARD', key('deferred', queue))
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
  local waiting = waiting_now(owner)
  if limits.waiting > 0 and waiting + total > limits.waiting then return {'waiting', waiting} end
  if limits.per_minute == 0 then return nil end
  local taken = taken_out(owner, limits.per_minute)
  local left, wait = room_in(taken, limits.per_minute, total)
  if total > left then return {'rate', wait} end
  take_out(owner, limits.per_minute, taken + total * MINUTE)
  return nil
end

-- What an owner has left, for who asks, as three values: jobs that may come at once, microseconds until there is one
-- more, jobs that wait. Nothing for nobody.
local function allowance(owner, limits)
  if owner == '' then return end
  local left, wait = 0, 0
  if limits.per_minute > 0 then
    left, wait = room_in(taken_out(owner, limits.per_minute), limits.per_minute)
  end
  return left, wait, waiting_now(owner)
end
