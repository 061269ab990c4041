-- Needs: keys, clock, values, full, queues, runs, release, printed, dependencies, ending, settling
-- The end of a run, and the begin of the next. KEYS: job, leases, results, queue.
-- ARGV: prefix, id, execution, queue, worker, outcome, base64 of the result's JSON ('' = null; with
-- 'unknown' the progress to show), base64 of the traceback, the error as JSON, seconds until a retry,
-- longest wait for a worker that has the task, progress ('' = unchanged), execution of the next job that this
-- worker would run ('' = none), execution of one that it would run after what it runs by then ('' = none) and
-- seconds of their leases, most bytes of a log; then for each piece of the log that is not confirmed its number,
-- text, and '1' if text before it was dropped.
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
local executions, lease = {ARGV[13], ARGV[14]}, tonumber(ARGV[15])
local member = id .. ':' .. execution
local NEXT_TRIES = 20

if not redis.call('ZSCORE', KEYS[2], member) then
  local ended, status, first, second =
    string.match(job_fields(id, 'last_end')[1] or '', '^([^:]*):([^:]*):([^:]*):([^:]*)$')
  if ended ~= execution then return {'lost'} end
  local answer = {status}
  for i, next_id in ipairs({first, second}) do
    if next_id ~= '' and redis.call('ZSCORE', KEYS[2], next_id .. ':' .. executions[i]) then
      answer[#answer + 1] = {next_id, executions[i], unpack(to_run(next_id))}
    end
  end
  return answer
end

-- Writes the end. Returns the job's new status.
local function conclude()
  local job = job_fields(id, 'result_ttl', 'failure_ttl', 'retries_left', 'stop_requested', 'unknown_since')
  local began = redis.call('HGET', key('execution', member), 'created_at')
  local err = ARGV[9]
  for piece = 17, #ARGV, 3 do
    print_piece(id, execution, ARGV[piece], ARGV[piece + 1], ARGV[piece + 2], ARGV[16])
  end
  release(id, execution, queue, worker)
  if gone(id) then return 'lost' end
  if ARGV[12] ~= '' then redis.call('HSET', KEYS[1], 'progress', ARGV[12]) end

  if job[4] == '1' then
    if outcome == 'interrupted' or outcome == 'returned' or outcome == 'suspect' or outcome == 'unknown' then
      outcome, err = 'stopped', cjson.encode({type = 'Stopped', message = 'a client asked to stop the job'})
    elseif outcome == 'failed' and number_of(job[3], 0) > 0 then
      outcome = 'stopped'
    end
  end

  if job[5] and outcome ~= 'unknown' then redis.call('HDEL', KEYS[1], 'unknown_since') end
  if outcome == 'interrupted' or outcome == 'returned' or outcome == 'suspect' then
    if outcome ~= 'returned' then add(KEYS[1], 'interrupted', 1) end
    if outcome == 'suspect' then lose(id, worker) end
    add(KEYS[1], 'attempt', -1)
    redis.call('HSET', KEYS[1], 'started_at', '')
    enqueue(id, queue, true)
    return 'queued'
  end

  if outcome == 'unknown' then
    redis.call('HSETNX', KEYS[1], 'unknown_since', string.format('%.6f', now))
    if now - number_of(redis.call('HGET', KEYS[1], 'unknown_since'), now) < tonumber(ARGV[11]) then
      add(KEYS[1], 'attempt', -1)
      redis.call('HSET', KEYS[1], 'started_at', '', 'progress', ARGV[7])
      schedule(id, queue, now + tonumber(ARGV[10]))
      return 'scheduled'
    end
    outcome = 'failed'
    redis.call('HSET', KEYS[1], 'retries_left', '0')
    job[3] = '0'
  end

  if outcome == 'refused' then
    outcome = 'failed'
    redis.call('HSET', KEYS[1], 'retries_left', '0')
    job[3] = '0'
  end

  if redis.call('EXISTS', key('worker', worker)) == 1 then  -- else it would be made without a time to live
    local counter = outcome == 'finished' and 'successful_job_count' or 'failed_job_count'
    redis.call('HINCRBY', key('worker', worker), counter, 1)
    redis.call('HINCRBYFLOAT', key('worker', worker), 'total_working_time', now - tonumber(default(began, now)))
  end

  if outcome == 'failed' and number_of(job[3], 0) > 0 then
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
    finish(id, queue, 'finished', 'finished', ttl_of(job[1], 86400))
  else
    redis.call('HSET', KEYS[1], 'error', err)
    append(KEYS[3], 'MAXLEN', 10, '*', 'type', '2', 'exc_string', ARGV[8], unpack(record))
    finish(id, queue, outcome, 'failed', ttl_of(job[2], 604800))
  end
  return outcome
end

-- Begin the job that waits next, as an execution ('' = do not). `ahead`: its worker runs another one meanwhile,
-- which is nothing for a job that may run only once, or that lost a worker. Returns its id, '' when there is none.
local function begin_next(next_execution, ahead, answer)
  if next_execution == '' or redis.call('EXISTS', prefix .. ':suspended') == 1 then return '' end
  for _ = 1, NEXT_TRIES do
    local next_id = redis.call('LINDEX', KEYS[4], 0)
    if not next_id then return '' end
    -- What is no job's hash must not disturb the end of another one.
    local job = redis.pcall('HMGET', key('job', next_id), 'status', 'at_most_once', 'lost')
    local waits = job[1] == 'queued'
    if waits and ahead and (job[2] == '1' or number_of(job[3], 0) > 0) then return '' end
    redis.call('LPOP', KEYS[4])
    if waits then
      answer[#answer + 1] = {next_id, next_execution, unpack(begin(next_id, queue, worker, next_execution, lease))}
      return next_id
    end
  end
  return ''
end

even_when_full()
local answer = {conclude()}
if unsettled then settling().all() end
local first = begin_next(executions[1], false, answer)
local second = begin_next(executions[2], true, answer)
if redis.call('EXISTS', key('worker', worker) .. ':executions') == 0 then show_state(worker, 'idle') end
if answer[1] ~= 'lost' then
  redis.call('HSET', KEYS[1], 'last_end', table.concat({execution, answer[1], first, second}, ':'))
end
return answer
