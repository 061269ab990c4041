-- Limits of what waits, shared by the scripts that put more on a queue. Given as three numbers, 0 for none:
-- jobs that wait on a queue (scheduled ones too), jobs of an owner that wait, jobs of an owner in a minute.

-- A token bucket that holds as many jobs as may come in a minute and fills up evenly. What is taken out of it
-- is kept, in millionths of a job's share of a minute: whole numbers below 2^53, so that no rounding lets one
-- job too many pass.
local MINUTE = 60000000
local microseconds = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function taken_out(owner, per_minute)
  local kept = redis.pcall('GET', key('rate', owner))
  local taken, at = string.match(type(kept) == 'string' and kept or '', '^(%d+):(%d+)$')
  if not taken then return 0 end
  return math.max(0, tonumber(taken) - math.max(0, microseconds - tonumber(at)) * per_minute)
end

local function take_out(owner, per_minute, taken)
  local text = string.format('%.0f:%.0f', taken, microseconds)
  redis.call('SET', key('rate', owner), text, 'PX', math.ceil(taken / per_minute / 1000) + 1)
end

-- How many more fit now, and the microseconds until there is room for `count`, or for one more than now.
local function room_in(taken, per_minute, count)
  local left = math.max(0, math.floor((per_minute * MINUTE - taken) / MINUTE))
  if left >= per_minute then return left, 0 end
  return left, math.max(0, math.ceil((taken + (count or left + 1) * MINUTE) / per_minute) - MINUTE)
end

-- How many an owner has waiting. What is no set there counts nothing: see count_in.
local function waiting_now(owner)
  local count = redis.pcall('SCARD', key('waiting', owner))
  return type(count) == 'number' and count or 0
end

-- Let more jobs of an owner in, or not; `counts` tells how many for each queue. Returns what refuses them, or
-- nil: then they count. 'full', the queue; 'waiting', how many wait; 'rate', microseconds until they would fit.
local function admit(owner, counts, most_queued, most_waiting, per_minute)
  local total = 0
  for queue, count in pairs(counts) do
    local list = key('queue', queue)
    local depth = redis.call('LLEN', list) + redis.call('LLEN', list .. ':intermediate')
      + redis.call('ZCARD', key('scheduled', queue))
    if most_queued > 0 and depth + count > most_queued then return {'full', queue} end
    total = total + count
  end
  if owner == '' or total == 0 then return nil end
  local waiting = waiting_now(owner)
  if most_waiting > 0 and waiting + total > most_waiting then return {'waiting', waiting} end
  if per_minute == 0 then return nil end
  local taken = taken_out(owner, per_minute)
  local left, wait = room_in(taken, per_minute, total)
  if total > left then return {'rate', wait} end
  take_out(owner, per_minute, taken + total * MINUTE)
  return nil
end

-- What an owner has left, for who asks: jobs that may come at once, microseconds until there is one more, jobs
-- that wait.
local function allowance(owner, per_minute)
  if owner == '' then return {} end
  local left, wait = 0, 0
  if per_minute > 0 then left, wait = room_in(taken_out(owner, per_minute), per_minute) end
  return {left, wait, waiting_now(owner)}
end
