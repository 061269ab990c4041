-- Shared by the scripts below this folder: put in front of each of them.
-- Every script takes the key prefix as ARGV[1] and Redis' own clock, so that workers and functions
-- whose clocks differ agree on what is due. All keys share the prefix's hash tag, so one slot.
local prefix = ARGV[1]

local function key(kind, name) return prefix .. ':' .. kind .. ':' .. name end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

-- RFC 3339 in UTC, as RQ writes it. Days to a date: H. Hinnant, "chrono-Compatible Low-Level Date
-- Algorithms", civil_from_days.
local function written()
  local seconds = tonumber(clock[1])
  local days = math.floor(seconds / 86400)
  local rest = seconds - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day,
    math.floor(rest / 3600), math.floor(rest % 3600 / 60), rest % 60, tonumber(clock[2]))
end

-- The same, made once for each reading of the clock.
local made, made_of
local function iso()
  if made_of ~= clock then made, made_of = written(), clock end
  return made
end

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

-- A full Redis (maxmemory, noeviction) refuses a script whose first write may need memory, and lets one go on
-- that began with a removal (Redis: src/script.c, scriptVerifyOOM). For what must go on even then.
local function even_when_full() redis.call('DEL', prefix .. ':none') end

-- What is kept about an owner, whose name is no part of a key: it may hold anything.
local function owners_key(kind, owner) return key(kind, redis.sha1hex(owner)) end

-- Whether a job has an id as Coatcheck makes them: RQ may have others here, which no list of ours shows.
local function ours(id) return #id == 36 and not string.find(id, '[^0-9a-z]') end

-- Where a job stands in the sorted sets that lists are made of (list.lua): all jobs of a queue, or of an owner, and
-- of one status have one score, so they are a range in the order of their ids. A whole number below 2^53.
local PLACES = {queued = 1, scheduled = 2, deferred = 3, started = 4, finished = 5, failed = 6, stopped = 7, canceled = 8}
local WAITS = {queued = true, scheduled = true, deferred = true}

local function place(name, status)
  return string.format('%.0f', tonumber(string.sub(redis.sha1hex(name), 1, 11), 16) * 16 + (PLACES[status] or 0))
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

-- Write a job's status, and what else follows; show it as that.
local function set_status(id, queue, status, ...)
  redis.call('HSET', key('job', id), 'status', status, ...)
  show_as(id, queue, status, redis.call('HGET', key('job', id), 'owner'))
end

-- Whether a task fits one of the patterns, which stand one a line.
local function any_fits(task, patterns)
  for pattern in string.gmatch(patterns, '[^\n]+') do
    if string.find(task, pattern) then return true end
  end
  return false
end

-- Why a client may not deal with a job: {'unknown'} where there is none, {'forbidden', task} where the task is none
-- of theirs; nil where they may. A job of another owner is to them as if there were none, in what is answered and in
-- what it costs. `owner`: whose jobs they see ('' = everybody's); `tasks`: patterns of their tasks, one a line
-- ('' = all).
local function refusal(id, owner, tasks)
  local job = redis.pcall('HMGET', key('job', id), 'status', 'owner', 'description')
  if job.err or not job[1] or owner ~= '' and job[2] ~= owner then return {'unknown'} end
  if tasks == '' or any_fits(job[3] or '', tasks) then return nil end
  return {'forbidden', job[3] or ''}
end

-- What clients are shown of a job: its hash, and the newest record of its results. Both are empty where the key
-- holds something else.
local function shown(id)
  local fields = redis.pcall('HGETALL', key('job', id))
  local records = redis.pcall('XREVRANGE', key('results', id), '+', '-', 'COUNT', 1)
  if fields.err then fields = {} end
  return {fields, not records.err and records[1] and records[1][2] or {}}
end

local function push(id, queue, front)
  redis.call('SADD', prefix .. ':queues', key('queue', queue))
  redis.call(front and 'LPUSH' or 'RPUSH', key('queue', queue), id)
end

-- Put a job on its queue's end, or with `front` at its head.
local function enqueue(id, queue, front)
  set_status(id, queue, 'queued', 'enqueued_at', iso())
  push(id, queue, front)
end

-- Put a job on its queue's schedule, for `at` in seconds since 1970.
local function schedule(id, queue, at)
  set_status(id, queue, 'scheduled', 'scheduled_for', string.format('%.6f', at))
  redis.call('SADD', prefix .. ':queues', key('queue', queue))
  redis.call('ZADD', key('scheduled', queue), string.format('%.6f', at), id)
end

-- Write the hash of a new job, and put it on its queue, or on the schedule for `due` ('' = now). It is put there as
-- it is created, so that time is not written twice until it begins: of jobs that wait there are many.
local function create(id, queue, due, ...)
  redis.call('HSET', key('job', id), 'created_at', iso(), ...)
  if due ~= '' then return schedule(id, queue, tonumber(due)) end
  set_status(id, queue, 'queued')
  push(id, queue, false)
end

-- For RQ's readers: whether a worker is busy. Its hash expires when its heartbeats end, and stays so.
local function show_state(worker, state)
  if redis.call('EXISTS', key('worker', worker)) == 1 then
    redis.call('HSET', key('worker', worker), 'state', state)
  end
end

-- What a worker needs to know of a job: names and values, those that there are.
local function to_run(id)
  local names = {'data', 'timeout', 'attempt', 'at_most_once', 'retries', 'retries_left', 'retry_intervals',
    'enqueued_at', 'started_at', 'traceparent', 'tracestate', 'lost',
    'origin', 'result_ttl', 'failure_ttl', 'owner', 'callback', 'signature'}
  local values, found = redis.call('HMGET', key('job', id), unpack(names)), {}
  for i, name in ipairs(names) do
    if values[i] then
      found[#found + 1] = name
      found[#found + 1] = values[i]
    end
  end
  return found
end

-- Begin a job that left its queue: from here on it has an execution and a lease. Returns what its worker needs.
local function begin(id, queue, worker, execution, lease)
  local member, job_key, time = id .. ':' .. execution, key('job', id), string.format('%.6f', now)
  local times = redis.call('HMGET', job_key, 'enqueued_at', 'created_at')
  redis.call('HDEL', job_key, 'stop_requested', 'progress', 'error', 'taken_at', 'scheduled_for')
  set_status(id, queue, 'started', 'enqueued_at', times[1] or times[2] or iso(), 'started_at', iso(), 'ended_at', '',
    'last_heartbeat', iso(), 'worker_name', worker, 'execution', execution)
  add(job_key, 'attempt', 1)
  redis.call('ZADD', prefix .. ':leases', string.format('%.6f', now + lease), member)

  -- For RQ's own readers. The registry's entry never expires by itself: RQ would fail the job from
  -- whatever process happens to read it (its registries clean up when read), and the lease decides.
  redis.call('ZADD', key('wip', queue), '+inf', member)
  redis.pcall('ZADD', key('executions', id), '+inf', execution)
  redis.call('HSET', key('execution', member), 'id', execution, 'job_id', id, 'worker_name', worker,
    'created_at', time, 'last_heartbeat', time)
  redis.call('SADD', key('worker', worker) .. ':executions', member)
  return to_run(id)
end

-- Count a worker that a job lost, or a process that it shared. Returns how many there were, and their names.
local function lose(id, worker)
  local lost = add(key('job', id), 'lost', 1)
  local history = default(redis.call('HGET', key('job', id), 'lost_workers'), '')
  history = history .. (history ~= '' and ', ' or '') .. default(worker, '?') .. ' (' .. iso() .. ')'
  redis.call('HSET', key('job', id), 'lost_workers', history)
  return lost, history
end

-- Keep the newest of a log that got longer: its oldest pieces go while it has more than `limit` bytes. Which went
-- last is noted, so that readers who have not seen it are told.
local function rotate(id, more, limit)
  local size, log = number_of(redis.call('HGET', key('job', id), 'log_size'), 0) + more, key('log', id)
  while size > limit do
    local oldest, dropped = redis.pcall('XRANGE', log, '-', '+', 'COUNT', 100), 0
    while dropped < #oldest - 1 and size > limit do
      dropped = dropped + 1
      size = size - #(oldest[dropped][2][2] or '')
    end
    if dropped == 0 then break end  -- a single piece is never longer than the limit
    redis.call('XTRIM', log, 'MINID', oldest[dropped + 1][1])
    redis.call('HSET', key('job', id), 'log_dropped', oldest[dropped][1])
  end
  redis.call('HSET', key('job', id), 'log_size', string.format('%.0f', size))
end

-- Write a piece of a run's log. It comes again when the answer to it was lost. `cut`: its task printed more before it
-- than a log holds; `limit`: how many bytes that are.
local function print_piece(id, execution, number, text, cut, limit)
  local run = key('execution', id .. ':' .. execution)
  if tonumber(number) > tonumber(default(redis.call('HGET', run, 'pieces'), '0')) then
    redis.call('HSET', run, 'pieces', number)
    limit = tonumber(limit)
    -- In parts of an eighth of the log at most, so that what is dropped for new text is not much more than it.
    local first, most = 1, math.ceil(limit / 8)
    repeat
      local last = math.min(#text, first + most - 1)
      while last > first and string.find(text, '^[\128-\191]', last + 1) do last = last - 1 end
      local part = {'t', string.sub(text, first, last)}
      if cut == '1' and first == 1 then part[3], part[4] = 'cut', '1' end
      append(key('log', id), '*', unpack(part))
      first = last + 1
    until first > #text
    rotate(id, #text, limit)
  end
end

-- Forget that a worker runs a job. Returns whether the execution still held its lease.
local function release(id, execution, queue, worker)
  local member = id .. ':' .. execution
  local held = redis.call('ZREM', prefix .. ':leases', member)
  redis.call('ZREM', key('wip', queue), member)
  redis.call('DEL', key('execution', member))
  redis.pcall('ZREM', key('executions', id), execution)
  redis.call('SREM', key('worker', worker) .. ':executions', member)
  return held == 1
end

-- Whether a job's hash is gone, as when somebody deleted it while it ran. Then nothing else of it stays.
local function gone(id)
  if redis.call('TYPE', key('job', id)).ok == 'hash' then return false end
  redis.call('DEL', key('results', id), key('log', id))
  return true
end

-- Tell the end of a job to its callback: the delivery that its hash carries becomes a job of its own, at the
-- head of its queue. What is no delivery, or would replace another job, is dropped. Returns how long the job is
-- kept: at least until the last attempt (coatcheck/callbacks.py).
local function call_back(id, ttl)
  local delivery = redis.call('HGET', key('job', id), 'delivery')
  if not delivery then return ttl end
  local carried, names, fields = redis.call('HGETALL', key('job', id)), {}, {}
  for i = 1, #carried, 2 do
    local name = string.match(carried[i], '^delivery[.](.*)$')
    if name then
      names[#names + 1] = carried[i]
      fields[#fields + 1] = name
      fields[#fields + 1] = carried[i + 1]
    end
  end
  local queue = redis.call('HGET', key('job', id), 'delivery.origin')
  redis.call('HDEL', key('job', id), 'delivery')
  for _, name in ipairs(names) do redis.call('HDEL', key('job', id), name) end
  if not queue or #fields > 100 or redis.call('EXISTS', key('job', delivery)) == 1 then return ttl end
  redis.call('HSET', key('job', delivery), 'created_at', iso(), unpack(fields))
  enqueue(delivery, queue, true)
  return math.max(ttl, 86400)
end

-- End a job: its status, its registry, the time to live of what belongs to it, and a word to those who wait for it.
local function finish(id, queue, status, registry, ttl)
  ttl = call_back(id, ttl)
  set_status(id, queue, status, 'ended_at', iso())
  redis.call('ZADD', key(registry, queue), string.format('%.6f', now + ttl), id)
  redis.call('EXPIRE', key('job', id), ttl)
  redis.call('EXPIRE', key('results', id), ttl)
  redis.call('EXPIRE', key('log', id), ttl)
  redis.call('PUBLISH', key('ended', id), status)
end
