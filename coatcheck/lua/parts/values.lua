-- Needs: keys

local function default(value, fallback)
  if value and value ~= '' then return value end
  return fallback
end

-- Whoever can write to Redis may plant anything in it, which must stop no script halfway: what is no number counts
-- as `otherwise`,
local function number_of(text, otherwise)
  local number = tonumber(text or nil)
  if number and math.abs(number) < 1e15 then return number end
  return otherwise
end

-- a time to live is one second to a hundred years,
local function ttl_of(text, otherwise)
  local seconds = math.floor(number_of(text, otherwise))
  if seconds >= 1 and seconds <= 3153600000 then return seconds end
  return otherwise
end

-- something else than a hash has no fields,
local function job_fields(id, ...)
  local found = redis.pcall('HMGET', key('job', id), ...)
  if found.err then return {} end
  return found
end

-- whose names go with their values here, all of them where none is named,
local function job_named(id, ...)
  local names = {...}
  local found = names[1] and job_fields(id, ...) or redis.pcall('HGETALL', key('job', id))
  local job = {}
  if names[1] then
    for i, name in ipairs(names) do job[name] = found[i] or nil end
  elseif not found.err then
    for i = 1, #found, 2 do job[found[i]] = found[i + 1] end
  end
  return job
end

-- what can't be counted on is counted anew,
local function add(name, field, by)
  local sum = redis.pcall('HINCRBY', name, field, by)
  if type(sum) == 'number' then return sum end
  redis.call('HSET', name, field, math.max(by, 0))
  return math.max(by, 0)
end

-- and what is no stream gives way to one.
local function append(name, ...)
  local added = redis.pcall('XADD', name, ...)
  if type(added) ~= 'table' then return end
  if string.find(added.err, 'WRONGTYPE', 1, true) then redis.call('DEL', name) end
  redis.call('XADD', name, ...)
end
