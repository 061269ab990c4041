-- Needs: keys, clock, values, queues, runs, release, printed, dependencies, ending, settling
-- The end of a run, and the begin of the next. KEYS: job, leases, results, queue.
-- ARGV: prefix, id, execution, queue, worker, outcome, base64 of the result's JSON ('' = null; with
-- 'unknown' the progress to show), base64 of the traceback, the error as JSON, seconds until a retry,
-- longest wait for a worker that has the task, progress ('' = unchanged), execution of the next job that this
-- worker would run ('' = none), executions of those that it would run after what it runs by then, with commas
-- between them, and seconds of their leases, most bytes of a log; then for each piece of the log that is not
-- confirmed its number, text, and '1' if text before it was dropped.
-- Outcomes: 'finished', 'failed' (retried while retries are left), 'stopped', 'interrupted' (the worker
-- stops: back to the head of the queue, no attempt used up), 'returned' (the same for a job that was begun
-- ahead and whose task has not begun: no sign against it), 'suspect' (its process died with other runs in it,
-- and any of them may be the cause: as 'interrupted', and it counts as a lost worker), 'refused' (nobody shall
-- run it: 'failed', without a retry), 'unknown' (this worker has no such task: it waits on the schedule, no
-- attempt used up, until the given second after its first refusal; then 'failed').
-- Returns the job's new status, or 'lost' when the lease is gone: then nothing is written. After it, for each
-- job that was begun, its id, its execution, and what is to be run as fields and values. The same end may be
-- told again when the answer was lost: it is answered again and written once.
-- A client that wants the job to stop gets its way: what would run it again ends it instead.
local id, execution, queue, worker, outcome = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local next_execution, ahead, lease = ARGV[13], ARGV[14], tonumber(ARGV[15])
local member = id .. ':' .. execution
local NEXT_TRIES = 20

-- Its first write is this removal, so a full Redis lets it go on (full.lua).
if redis.call('ZREM', KEYS[2], member) == 0 then
  local ended, status = string.match(job_fields(id, 'last_end')[1] or '', '^([^:]*):([^:]*)$')
  if ended ~= execution then return {'lost'} end
  local answer, held = {status}, redis.call('SMEMBERS', key('worker', worker) .. ':executions')
  for each_execution in string.gmatch(next_execution .. ',' .. ahead, '[^,]+') do
    for _, each in ipairs(held) do
      local next_id, its = string.match(each, '^([^:]*):([^:]*)$')
      if its == each_execution and redis.call('ZSCORE', KEYS[2], each) then
        answer[#answer + 1] = {next_id, its, unpack(to_run(job_named(next_id)))}
      end
    end
  end
  return answer
end

-- What is answered when the same end is told again.
local function told(status) return execution .. ':' .. status end

-- A worker's figures, for RQ's readers. Its hash expires when its heartbeats end: one that is made here would stay.
local function count_run(counter, seconds)
  local name = key('worker', worker)
  if redis.call('EXISTS', name) == 0 then return end
  redis.call('HINCRBY', name, counter, 1)
  redis.call('HINCRBYFLOAT', name, 'total_working_time', seconds)
end

-- Writes the end. Returns the job's new status.
local function conclude()
  local job = job_named(id, 'status', 'result_ttl', 'failure_ttl', 'retries_left', 'stop_requested', 'unknown_since',
    unpack(END_FIELDS))
  local began = redis.call('HGET', key('execution', member), 'created_at')
  local err = ARGV[9]
  if not job.status and gone(id) then
    release(id, execution, queue, worker)
    return 'lost'
  end
  for piece = 17, #ARGV, 3 do
    print_piece(id, execution, ARGV[piece], ARGV[piece + 1], ARGV[piece + 2], ARGV[16])
    job.log_size = job.log_size or '0'
  end
  release(id, execution, queue, worker)
  if ARGV[12] ~= '' then redis.call('HSET', KEYS[1], 'progress', ARGV[12]) end

  if job.stop_requested == '1' then
    if outcome == 'interrupted' or outcome == 'returned' or outcome == 'suspect' or outcome == 'unknown' then
      outcome, err = 'stopped', cjson.encode({type = 'Stopped', message = 'a client asked to stop the job'})
    elseif outcome == 'failed' and number_of(job.retries_left, 0) > 0 then
      outcome = 'stopped'
    end
  end

  if job.unknown_since and outcome ~= 'unknown' then redis.call('HDEL', KEYS[1], 'unknown_since') end
  if outcome == 'interrupted' or outcome == 'returned' or outcome == 'suspect' then
    if outcome ~= 'returned' then add(KEYS[1], 'interrupted', 1) end
    if outcome == 'suspect' then lose(id, worker) end
    add(KEYS[1], 'attempt', -1)
    redis.call('HSET', KEYS[1], 'started_at', '')
    enqueue(id, queue, true)
    return 'queued'
  end

  if outcome == 'unknown' then
    local since = job.unknown_since or string.format('%.6f', now)
    if now - number_of(since, now) < tonumber(ARGV[11]) then
      add(KEYS[1], 'attempt', -1)
      redis.call('HSET', KEYS[1], 'unknown_since', since, 'started_at', '', 'progress', ARGV[7])
      schedule(id, queue, now + tonumber(ARGV[10]))
      return 'scheduled'
    end
  end

  if outcome == 'unknown' or outcome == 'refused' then
    outcome, job.retries_left = 'failed', '0'
    redis.call('HSET', KEYS[1], 'retries_left', '0')
  end
  count_run(outcome == 'finished' and 'successful_job_count' or 'failed_job_count', now - tonumber(default(began, now)))

  if outcome == 'failed' and number_of(job.retries_left, 0) > 0 then
    add(KEYS[1], 'retries_left', -1)
    redis.call('HSET', KEYS[1], 'error', ARGV[9])
    local delay = tonumber(ARGV[10])
    if delay > 0 then
      schedule(id, queue, now + delay)
      return 'scheduled'
    end
    enqueue(id, queue, false)
    return 'queued'
  end

  local record = {'worker_name', worker, 'execution_id', execution,
    'execution_started_at', default(began, now), 'execution_ended_at', string.format('%.6f', now)}
  if outcome == 'finished' then
    if ARGV[7] ~= '' then  -- RQ's readers take an empty text for damaged JSON
      record[#record + 1] = 'return_value'
      record[#record + 1] = ARGV[7]
    end
    append(KEYS[3], 'MAXLEN', 10, '*', 'type', '1', unpack(record))
    finish_known(id, job, queue, 'finished', 'finished', ttl_of(job.result_ttl, 86400),
      'last_end', told('finished'))
  else
    append(KEYS[3], 'MAXLEN', 10, '*', 'type', '2', 'exc_string', ARGV[8], unpack(record))
    finish_known(id, job, queue, outcome, 'failed', ttl_of(job.failure_ttl, 604800),
      'last_end', told(outcome), 'error', err)
  end
  return outcome
end

-- Begin the job that waits next, as an execution. `beside`: its worker runs another one meanwhile, which is nothing
-- for a job that may run only once, or that lost a worker. Returns whether there was one.
local function begin_next(as, beside, answer)
  for _ = 1, NEXT_TRIES do
    local next_id = redis.call('LPOP', KEYS[4])
    if not next_id then return false end
    local job = job_named(next_id)
    if job.status == 'queued' then
      if beside and (job.at_most_once == '1' or number_of(job.lost, 0) > 0) then
        redis.call('LPUSH', KEYS[4], next_id)
        return false
      end
      answer[#answer + 1] = {next_id, as, unpack(begin(next_id, job, queue, worker, as, lease))}
      return true
    end
  end
  return false
end

local answer = {conclude()}
if unsettled then settling().all() end
if answer[1] == 'queued' or answer[1] == 'scheduled' then redis.call('HSET', KEYS[1], 'last_end', told(answer[1])) end
if redis.call('EXISTS', prefix .. ':suspended') == 0 then
  if next_execution ~= '' then begin_next(next_execution, false, answer) end
  for each in string.gmatch(ahead, '[^,]+') do
    if not begin_next(each, true, answer) then break end
  end
end
if #answer == 1 and redis.call('EXISTS', key('worker', worker) .. ':executions') == 0 then
  show_state(worker, 'idle')
end
return answer
