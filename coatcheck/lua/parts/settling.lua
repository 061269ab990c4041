-- Needs: keys, clock, values, lists, queues, batches, dependencies, ending

-- What becomes of jobs that come after others, in functions that are made when somebody asks for them: most scripts
-- that end a job have none to see to, and each function takes its time.
local function settling()
  local IN_VAIN = {failed = 'failed', stopped = 'was stopped', canceled = 'was canceled'}

  -- What its dependencies let a job do: 'wait' for them, go 'on', or 'never': then also the one that it is for, and
  -- what became of that. One that is not kept any more has not finished: its result is needed until its dependents end.
  local function verdict(dependencies, run_all_the_same)
    local answer = 'on'
    for _, each in ipairs(dependencies) do
      local status = job_fields(each, 'status')[1]
      if status == 'finished' then
        -- as it should be
      elseif status and not IN_VAIN[status] then
        answer = 'wait'
      elseif not run_all_the_same then
        return 'never', each, IN_VAIN[status] or 'is not kept any more'
      end
    end
    return answer
  end

  -- Have a job know of jobs that come after it; one that has finished is kept as long as they have not ended.
  local function tell(dependency, ids)
    local status = job_fields(dependency, 'status')[1]
    if not status then return end
    redis.pcall('SADD', dependents_of(dependency), unpack(ids))
    if status == 'finished' then
      keep_finished(dependency, true)
    elseif IN_VAIN[status] then
      redis.call('PEXPIRE', dependents_of(dependency), redis.call('PTTL', key('job', dependency)))
    end
  end

  local function tell_rq(id, dependencies)
    redis.pcall('SADD', dependencies_for_rq(id), unpack(dependencies))
    redis.call('PERSIST', dependencies_for_rq(id))
  end

  local function join(id, dependencies)
    if #dependencies == 0 then return end
    tell_rq(id, dependencies)
    for _, each in ipairs(dependencies) do tell(each, {id}) end
  end

  -- Put a job where those are that wait for others.
  local function put_aside(id, queue)
    redis.call('SADD', prefix .. ':queues', key('queue', queue))
    redis.call('ZADD', key('deferred', queue), string.format('%.6f', now), id)
    set_status(id, queue, 'deferred')
  end

  -- Let a job wait for its dependencies.
  local function defer(id, queue, dependencies)
    join(id, dependencies)
    put_aside(id, queue)
  end

  -- Take back the end of a job. The caller puts it where it waits.
  local function revive(id, queue)
    local job = redis.call('HMGET', key('job', id), 'retries', 'batch')
    redis.call('ZREM', key('failed', queue), id)
    redis.call('ZREM', key('canceled', queue), id)
    for _, name in ipairs({key('job', id), key('results', id), key('log', id), dependents_of(id)}) do
      redis.call('PERSIST', name)
    end
    redis.call('HDEL', key('job', id), 'stop_requested', 'progress', 'error', 'failed_dependency', 'interrupted',
      'lost', 'lost_workers', 'worker_name', 'unknown_since', 'taken_at')
    redis.call('HSET', key('job', id), 'started_at', '', 'ended_at', '')
    if job[1] then redis.call('HSET', key('job', id), 'retries_left', job[1]) end
    if job[2] then count_open(job[2], 1) end
    if redis.call('EXISTS', dependents_of(id)) == 1 then unsettle(id) end
  end

  -- See what becomes of a job whose dependencies have changed. Nothing, where it neither waits for them nor was
  -- canceled because of one: so it may be asked at any time, and by many. Returns how many were looked at.
  local function one(id)
    local job = job_fields(id, 'status', 'origin', 'dependency_ids', 'allow_dependency_failures', 'failed_dependency',
      'failure_ttl', 'scheduled_for', 'callback')
    local status, queue, given_up = job[1], job[2], job[5]
    if not queue or not job[3] or status ~= 'deferred' and not (status == 'canceled' and given_up) then return 0 end
    local dependencies = read_ids(job[3])
    local may, other, how = verdict(dependencies, job[4] == '1')
    if status == 'canceled' then
      if may == 'never' then
        let_go(id, dependencies, true)
        return #dependencies
      end
      revive(id, queue)
      defer(id, queue, dependencies)
      -- Its end was told to its callback; only who has the keys to sign it can make the next delivery (equip.lua).
      if job[8] then redis.pcall('ZADD', prefix .. ':uncalled', 1, id) end
    end
    if may == 'never' then
      redis.call('ZREM', key('deferred', queue), id)
      local message = 'the job ' .. other .. ', after which it was to run, ' .. how
      redis.call('HSET', key('job', id), 'failed_dependency', other,
        'error', cjson.encode({type = 'DependencyFailed', message = message}))
      finish(id, queue, 'canceled', 'canceled', ttl_of(job[6], 604800))
    elseif may == 'on' then
      redis.call('ZREM', key('deferred', queue), id)
      -- What RQ's own workers run nobody takes from these sets when it has ended.
      if not ours(id) then let_go(id, dependencies) end
      local due = number_of(job[7], 0)
      if due > now then
        schedule(id, queue, due)
      else
        redis.call('HDEL', key('job', id), 'scheduled_for')
        enqueue(id, queue, false)
      end
    end
    return #dependencies
  end

  -- See to jobs that are unsettled, until about so many dependencies were looked at, by all calls together. Returns
  -- whether some are left.
  local looks = 0
  local function all()
    while looks < 1000 do
      local found = redis.pcall('ZPOPMIN', UNSETTLED)
      if found.err or not found[1] then return false end
      looks = looks + 1 + one(found[1])
    end
    return true
  end

  return {verdict = verdict, tell = tell, tell_rq = tell_rq, join = join, put_aside = put_aside, defer = defer,
    revive = revive, one = one, all = all}
end
