-- Needs: keys, clock, values, lists, batches, dependencies, settling
-- What is wrong with some subjects; with the mode 'mend' also the cure, in the same transaction.
-- KEYS: leases, the leases that a sweep shall end at once, the time of that sweep. ARGV: prefix, mode, limits as JSON, then three words for each subject: what it is, and two
-- that name it (coatcheck/doctor/subjects.py).
-- Modes: 'look' leaves out whatever takes as long as a queue is, and answers 'queued' for a job that should
-- be on one; 'check' looks there too; 'mend' does what 'check' does, and mends.
-- Returns a flat list: number of the subject, kind of finding, a detail.
local mode, limit = ARGV[2], cjson.decode(ARGV[3])
local leases, queues = KEYS[1], prefix .. ':queues'
local index, owned = prefix .. ':index', prefix .. ':owned'
local registries = {scheduled = 'scheduled', deferred = 'deferred', started = 'wip', finished = 'finished',
  failed = 'failed', stopped = 'failed', canceled = 'canceled'}
local ended = {finished = true, failed = true, stopped = true, canceled = true}
local answer, subject = {}, 0

local function found(kind, detail, cure)
  if mode == 'mend' and cure then cure() end
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = subject, kind, tostring(detail or '')
end

-- The answer of a reading command; false when there is none, or the key is of the wrong type: that is a
-- finding about the key itself.
local function ask(...)
  local value = redis.pcall(...)
  if type(value) == 'table' and value.err then return false end
  return value
end

local function type_of(name) return redis.call('TYPE', name).ok end

local function is(name, expected)
  local kind = type_of(name)
  if kind == expected then return true end
  if kind ~= 'none' then found('wrong-type', kind .. ' instead of a ' .. expected) end
  return false
end

local function score_of(name, member) return tonumber(ask('ZSCORE', name, member) or nil) end

local function times_on(list, id) return #(ask('LPOS', list, id, 'COUNT', 0) or {}) end

local function read(id)
  local kind = type_of(key('job', id))
  if kind ~= 'hash' then return {exists = kind ~= 'none', known = false} end
  local fields = redis.call('HMGET', key('job', id), 'status', 'origin', 'execution', 'worker_name', 'taken_at', 'owner',
    'dependency_ids', 'allow_dependency_failures', 'failed_dependency')
  local job = {exists = true, status = fields[1], queue = default(fields[2], false), execution = fields[3],
    worker = fields[4], taken_at = tonumber(fields[5] or nil),
    owner = default(fields[6], false), dependencies = fields[7] and read_ids(fields[7]),
    tolerant = fields[8] == '1', given_up = fields[1] == 'canceled' and fields[9]}
  job.known = job.queue and (job.status == 'queued' or registries[job.status] ~= nil)
  return job
end

local function parts(member) return string.match(member, '^([^:]*):(.*)$') end

-- Whether the member, job:execution, names the run that the job is in now.
local function runs(member)
  local id, execution = parts(member)
  if not id then return false end
  local job = read(id)
  return job.status == 'started' and job.execution == execution, job
end

-- When a job expires its entries stay until a janitor comes by, which takes some seconds.
local function expiring(score) return score and math.abs(now - score) <= limit.expired end

local function expires_now(id)
  for _, queue_key in ipairs(ask('SMEMBERS', queues) or {}) do
    local queue = string.sub(queue_key, #key('queue', '') + 1)
    for _, kind in ipairs({'finished', 'failed', 'canceled'}) do
      if expiring(score_of(key(kind, queue), id)) then return true end
    end
  end
  return false
end

local function list_of(what, queue)
  if what == 'queue' then return key('queue', queue) end
  if what == 'intermediate' then return key('queue', queue) .. ':intermediate' end
  return nil
end

local function at_home(id, job)
  if job.status == 'queued' then
    if mode == 'look' then return false end
    return times_on(list_of('queue', job.queue), id) + times_on(list_of('intermediate', job.queue), id) > 0
  end
  local member = job.status == 'started' and id .. ':' .. tostring(job.execution) or id
  return score_of(key(registries[job.status], job.queue), member) ~= nil
end

local function settle_queued(id, job)
  local queue, taken = list_of('queue', job.queue), list_of('intermediate', job.queue)
  local waits, is_taken = times_on(queue, id), times_on(taken, id)
  if waits + is_taken == 0 then
    found('queued-nowhere', job.queue, function()
      redis.call('LPUSH', queue, id)
      redis.call('SADD', queues, queue)
    end)
  elseif waits + is_taken > 1 then
    -- A worker may be about to begin the one that is taken.
    found('queued-twice', waits + is_taken, function()
      if is_taken > 1 then redis.call('LREM', taken, 1 - is_taken, id) end
      if is_taken > 0 then redis.call('LREM', queue, 0, id) else redis.call('LREM', queue, 1 - waits, id) end
    end)
  end
end

local function settle_started(id, job)
  local execution = default(job.execution, 'unknown')
  local member = id .. ':' .. execution
  -- Whoever runs it still is too late from here on; the sweep does the rest, as for any lost worker. It gets
  -- a list of its own, since it gives the leases a new term when nobody has swept for a while.
  local function lose()
    redis.call('HSET', key('job', id), 'execution', execution)
    redis.call('ZREM', leases, member)
    redis.call('LREM', list_of('queue', job.queue), 0, id)  -- where the sweep may put it
    redis.call('LREM', list_of('intermediate', job.queue), 0, id)
    redis.call('ZADD', KEYS[2], 0, member)
    redis.call('SET', KEYS[3], string.format('%.6f', now))
    redis.call('EXPIRE', KEYS[2], 60)
    redis.call('EXPIRE', KEYS[3], 60)
  end
  local lease = score_of(leases, member)
  if not lease then
    found('started-without-lease', job.worker, lose)
  elseif lease < now - limit.overdue then
    found('lease-overdue', math.floor(now - lease), lose)
  elseif lease > now + limit.near and redis.call('EXISTS', key('worker', job.worker or '')) == 0 then
    found('started-without-worker', job.worker, lose)
  end
  if not score_of(key('wip', job.queue), member) then
    found('started-nowhere', job.queue, function() redis.call('ZADD', key('wip', job.queue), '+inf', member) end)
  end
  if not score_of(key('executions', id), execution) or redis.call('EXISTS', key('execution', member)) == 0 then
    found('started-without-execution', execution, function()
      redis.call('ZADD', key('executions', id), '+inf', execution)
      redis.call('HSET', key('execution', member), 'id', execution, 'job_id', id, 'worker_name', job.worker or '',
        'created_at', string.format('%.6f', now), 'last_heartbeat', string.format('%.6f', now))
    end)
  end
end

-- Whether a job that has not ended may need the result of this one.
local function needed(id)
  for _, each in ipairs(ask('SMEMBERS', dependents_of(id)) or {}) do
    local status = read(each).status
    if status and not ended[status] then return true end
  end
  return false
end

local function settle_ended(id, job, ttl)
  local registry = key(registries[job.status], job.queue)
  local score = score_of(registry, id)
  if job.status == 'finished' and needed(id) then
    if ttl ~= -1 or not score then
      found('needed-with-ttl', '', function() keep_finished(id, true) end)
    end
  elseif ttl == -1 then
    found('ended-without-ttl', job.status, function()
      local field = job.status == 'finished' and 'result_ttl' or 'failure_ttl'
      local seconds = tonumber(default(redis.call('HGET', key('job', id), field), limit[field])) or limit[field]
      redis.call('EXPIRE', key('job', id), seconds)
      redis.call('ZADD', registry, string.format('%.6f', now + seconds), id)
    end)
  elseif not score or math.abs(score - now - ttl / 1000) > limit.tolerance then
    found(score and 'ttl-differs' or 'ended-nowhere', job.status, function()
      redis.call('ZADD', registry, string.format('%.6f', now + ttl / 1000), id)
    end)
  end
end

-- Whether a worker refused to run a job, since its signature did not hold: its error says why (codec.py).
local function settle_failed(id)
  local read, err = pcall(cjson.decode, redis.call('HGET', key('job', id), 'error') or '')
  if read and type(err) == 'table' and err.type == 'Quarantined' then found('quarantined', err.message) end
end

-- A job that comes after others. Returns whether it was moved on.
local function settle_dependent(id, job)
  local unended = not ended[job.status]
  if not unended and not job.given_up then return false end
  if job.status == 'deferred' or job.given_up then
    local may = settling().verdict(job.dependencies, job.tolerant)
    if may ~= (job.given_up and 'never' or 'wait') then
      found('not-settled', job.status, function()
        settling().one(id)
        settling().all()
      end)
      return mode == 'mend'
    end
  end
  for _, each in ipairs(job.dependencies) do
    local other = read(each)
    if other.exists and (unended or other.status ~= 'finished')
        and ask('SISMEMBER', dependents_of(each), id) == 0 then
      found('unknown-to-dependency', each, function() settling().join(id, job.dependencies) end)
      return false
    end
  end
  return false
end

local checks = {}

function checks.job(id)
  if not is(key('job', id), 'hash') then return end
  local job = read(id)
  if not job.known then return found('not-understood', job.status) end
  if ours(id) then
    for list, name in pairs({[index] = job.queue, [owned] = job.owner or nil}) do
      local score = score_of(list, id)
      if score ~= tonumber(place(name, job.status)) then
        found(score and 'index-differs' or 'not-indexed', job.status, function()
          redis.call('ZADD', list, place(name, job.status), id)
        end)
      end
    end
  end
  if job.status == 'failed' then settle_failed(id) end
  if job.dependencies and settle_dependent(id, job) then return end
  local ttl = redis.call('PTTL', key('job', id))
  if ended[job.status] then return settle_ended(id, job, ttl) end
  local waiting = job.owner and owners_key('waiting', job.owner)
  if WAITS[job.status] and waiting and ask('SISMEMBER', waiting, id) == 0 then
    found('waiting-uncounted', job.owner, function() redis.call('SADD', waiting, id) end)
  end
  if ttl >= 0 then
    found('unended-with-ttl', job.status, function() redis.call('PERSIST', key('job', id)) end)
  end
  if job.status == 'started' then
    settle_started(id, job)
  elseif job.status ~= 'queued' then
    local schedule = key(registries[job.status], job.queue)
    if not score_of(schedule, id) then
      found('scheduled-nowhere', job.status, function()
        local due = tonumber(default(redis.call('HGET', key('job', id), 'scheduled_for'), now)) or now
        redis.call('ZADD', schedule, string.format('%.6f', due), id)
        redis.call('SADD', queues, key('queue', job.queue))
      end)
    end
  elseif mode == 'look' then
    found('queued', job.queue)
  else
    settle_queued(id, job)
  end
end

-- An entry of a queue's list or registry.
local function entry(what, queue, member)
  local list = list_of(what, queue)
  local place = list or key(what, queue)
  local score = not list and score_of(place, member)
  if list and mode ~= 'look' and times_on(list, member) == 0 or not list and not score then return end

  local function drop()
    if list then redis.call('LREM', list, 0, member) else redis.call('ZREM', place, member) end
  end
  local id, execution = member, nil
  if what == 'wip' then id, execution = parts(member) end
  local job = read(id or '')
  if not job.exists then
    if not (ended[what] and expiring(score)) then found('gone-but-listed', what, drop) end
  elseif not job.known then
    return  -- that is a finding about the job
  elseif job.queue ~= queue or (job.status == 'queued') ~= (list ~= nil)
      or not list and (registries[job.status] ~= what or execution and job.execution ~= execution) then
    found(at_home(id, job) and 'two-places' or 'wrong-place', job.status, drop)
  elseif what == 'intermediate' and (not job.taken_at or now - job.taken_at > limit.patience) then
    found('taken-not-begun', queue, function()
      drop()
      redis.call('HDEL', key('job', id), 'taken_at')
      redis.call('LREM', key('queue', queue), 0, id)
      redis.call('LPUSH', key('queue', queue), id)
    end)
  end
end

for _, what in ipairs({'queue', 'intermediate', 'wip', 'scheduled', 'deferred', 'finished', 'failed', 'canceled'}) do
  checks[what] = function(queue, member) return entry(what, queue, member) end
end

for what, list in pairs({index = index, owned = owned}) do
  checks[what] = function(id)
    if not score_of(list, id) or redis.call('EXISTS', key('job', id)) == 1 or expires_now(id) then return end
    found('gone-but-indexed', '', function() redis.call('ZREM', list, id) end)
  end
end

function checks.leases(member)
  if not score_of(leases, member) or runs(member) then return end
  found('stray-lease', '', function() redis.call('ZREM', leases, member) end)
end

function checks.execution(member)
  local name = key('execution', member)
  if not is(name, 'hash') or runs(member) then return end
  found('stray-execution', '', function() redis.call('DEL', name) end)
end

function checks.executions(id)
  local name = key('executions', id)
  if not is(name, 'zset') then return end
  for _, execution in ipairs(redis.call('ZRANGE', name, 0, 99)) do
    if not runs(id .. ':' .. execution) then
      found('stray-execution', execution, function() redis.call('ZREM', name, execution) end)
    end
  end
end

checks['worker-executions'] = function(worker)
  local name = key('worker', worker) .. ':executions'
  if not is(name, 'set') then return end
  for _, member in ipairs(redis.call('SMEMBERS', name)) do
    local running, job = runs(member)
    if not running or job.worker ~= worker then
      found('stray-worker-execution', member, function() redis.call('SREM', name, member) end)
    end
  end
end

function checks.worker(worker)
  local name = key('worker', worker)
  if not is(name, 'hash') or redis.call('PTTL', name) ~= -1 then return end
  found('worker-without-ttl', '', function() redis.call('EXPIRE', name, limit.worker_ttl) end)
end

function checks.workers(queue, member)
  local set = queue == '' and prefix .. ':workers' or key('workers', queue)
  if ask('SISMEMBER', set, member) ~= 1 then return end
  local start = key('worker', '')
  if string.sub(member, 1, #start) == start and redis.call('EXISTS', member) == 1 then return end
  found('worker-gone', member, function() redis.call('SREM', set, member) end)
end

function checks.idempotency(digest)
  local name = key('idempotency', digest)
  if not is(name, 'hash') or redis.call('PTTL', name) ~= -1 then return end
  found('idempotency-without-ttl', '', function() redis.call('EXPIRE', name, limit.idempotency_ttl) end)
end

function checks.waiting(owner, id)
  if ask('SISMEMBER', key('waiting', owner), id) ~= 1 then return end
  local job = read(id)
  if WAITS[job.status or ''] and job.owner and redis.sha1hex(job.owner) == owner then return end
  found('counted-not-waiting', '', function() redis.call('SREM', key('waiting', owner), id) end)
end

function checks.dependents(id)
  local name = dependents_of(id)
  if not is(name, 'set') then return end
  local job = read(id)
  if not job.exists then return found('orphan-dependents', '', function() redis.call('DEL', name) end) end
  for _, each in ipairs(redis.call('SMEMBERS', name)) do
    local other = read(each)
    local right = not other.exists  -- its time was over first
    for _, dependency in ipairs((not ended[other.status] or other.given_up) and other.dependencies or {}) do
      right = right or dependency == id
    end
    if not right then
      found('stray-dependent', each, function()
        redis.call('SREM', name, each)
        if job.status == 'finished' and redis.call('EXISTS', name) == 0 then keep_finished(id, false) end
      end)
    end
  end
end

function checks.dependencies(id)
  local name = dependencies_for_rq(id)
  if is(name, 'set') and not read(id).exists then
    found('orphan-dependents', '', function() redis.call('DEL', name) end)
  end
end

function checks.batch(id)
  local name, unended = key('batch', id), 0
  if not is(name, 'hash') then return end
  local batch = redis.call('HMGET', name, 'jobs', 'open')
  for each in string.gmatch(batch[1] or '', '[^,]+') do
    local job = read(each)
    if job.exists and not ended[job.status] then unended = unended + 1 end
  end
  if tonumber(batch[2] or nil) ~= unended or (redis.call('PTTL', name) >= 0) ~= (unended == 0) then
    found('batch-miscounted', batch[2], function()
      redis.call('HSET', name, 'open', unended)
      count_open(id, 0)
      if unended > 0 then redis.call('PERSIST', name) end
    end)
  end
end

local function bucket(what, owner)
  local name = key(what, owner)
  if not is(name, 'string') or redis.call('PTTL', name) ~= -1 then return end
  found(what .. '-without-ttl', '', function() redis.call('DEL', name) end)
end

function checks.rate(owner) return bucket('rate', owner) end
function checks.uploads(owner) return bucket('uploads', owner) end

function checks.file(id)
  local name = key('file', id)
  if not is(name, 'string') or redis.call('PTTL', name) ~= -1 then return end
  found('file-without-ttl', '', function() redis.call('EXPIRE', name, limit.file_ttl) end)
end

local function stream(what, id)
  local name = key(what, id)
  if not is(name, 'stream') then return end
  local job = read(id)
  if not job.exists then
    found('orphan-' .. what, '', function() redis.call('DEL', name) end)
  elseif ended[job.status] and redis.call('PTTL', name) == -1 and not (job.status == 'finished' and needed(id)) then
    found(what .. '-without-ttl', job.status, function()
      local ttl = redis.call('PTTL', key('job', id))
      if ttl > 0 then redis.call('PEXPIRE', name, ttl) end
    end)
  end
end

function checks.log(id) return stream('log', id) end
function checks.results(id) return stream('results', id) end

-- A key that holds many: is it of its type, and does its queue stand in the set of queues?
function checks.place(name, expected) is(prefix .. ':' .. name, expected) end

function checks.named(queue)
  if ask('SISMEMBER', queues, key('queue', queue)) == 1 then return end
  for _, what in ipairs({'queue', 'intermediate', 'wip', 'scheduled', 'deferred', 'finished', 'failed', 'canceled'}) do
    if redis.call('EXISTS', list_of(what, queue) or key(what, queue)) == 1 then
      return found('queue-unlisted', what, function() redis.call('SADD', queues, key('queue', queue)) end)
    end
  end
end

function checks.unknown(name)
  if redis.call('EXISTS', prefix .. name) == 1 then found('unknown-key', type_of(prefix .. name)) end
end

for i = 4, #ARGV, 3 do
  subject = (i - 4) / 3  -- counted from 0
  checks[ARGV[i]](ARGV[i + 1], ARGV[i + 2])
end
return answer
