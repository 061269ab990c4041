-- The end of a run. KEYS: job, leases, results.
-- ARGV: prefix, id, execution, queue, worker, outcome, base64 of the result's JSON ('' = null; with
-- 'unknown' the progress to show),
-- base64 of the traceback, the error as JSON, seconds until a retry, longest wait for a worker that has
-- the task.
-- Outcomes: 'finished', 'failed' (retried while retries are left), 'stopped', 'interrupted' (the worker
-- stops: back to the head of the queue, no attempt used up), 'unknown' (this worker has no such task: it
-- waits on the schedule, no attempt used up, until the given second after its first refusal; then 'failed').
-- Returns the job's new status, or 'lost' when the lease is gone: then nothing is written. The same end may
-- be told again when the answer was lost: it is answered again and written once.
-- A client that wants the job to stop gets its way: what would run it again ends it instead.
local id, execution, queue, worker, outcome = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local member = id .. ':' .. execution
if not redis.call('ZSCORE', KEYS[2], member) then
  local ended, status = string.match(default(redis.call('HGET', KEYS[1], 'last_end'), ''), '^(.*):(.*)$')
  return ended == execution and status or 'lost'
end

local function answer(status)
  redis.call('HSET', KEYS[1], 'last_end', execution .. ':' .. status)
  return status
end

local job = redis.call('HMGET', KEYS[1], 'result_ttl', 'failure_ttl', 'retries_left', 'stop_requested')
local began = redis.call('HGET', key('execution', member), 'created_at')
local err = ARGV[9]
release(id, execution, queue, worker)
if gone(id) then return 'lost' end

if job[4] == '1' then
  if outcome == 'interrupted' or outcome == 'unknown' then
    outcome, err = 'stopped', cjson.encode({type = 'Stopped', message = 'a client asked to stop the job'})
  elseif outcome == 'failed' and tonumber(default(job[3], '0')) > 0 then
    outcome = 'stopped'
  end
end

if outcome ~= 'unknown' then redis.call('HDEL', KEYS[1], 'unknown_since') end
if outcome == 'interrupted' then
  redis.call('HINCRBY', KEYS[1], 'interrupted', 1)
  redis.call('HINCRBY', KEYS[1], 'attempt', -1)
  redis.call('HSET', KEYS[1], 'started_at', '')
  enqueue(id, queue, true)
  return answer('queued')
end

if outcome == 'unknown' then
  redis.call('HSETNX', KEYS[1], 'unknown_since', string.format('%.6f', now))
  if now - tonumber(redis.call('HGET', KEYS[1], 'unknown_since')) < tonumber(ARGV[11]) then
    redis.call('HINCRBY', KEYS[1], 'attempt', -1)
    redis.call('HSET', KEYS[1], 'started_at', '', 'progress', ARGV[7])
    schedule(id, queue, now + tonumber(ARGV[10]))
    return answer('scheduled')
  end
  outcome = 'failed'
  redis.call('HSET', KEYS[1], 'retries_left', '0')
  job[3] = '0'
end

local counter = outcome == 'finished' and 'successful_job_count' or 'failed_job_count'
if redis.call('EXISTS', key('worker', worker)) == 1 then  -- else it would be made without a time to live
  redis.call('HINCRBY', key('worker', worker), counter, 1)
  redis.call('HINCRBYFLOAT', key('worker', worker), 'total_working_time', now - tonumber(default(began, now)))
end

if outcome == 'failed' and tonumber(default(job[3], '0')) > 0 then
  redis.call('HINCRBY', KEYS[1], 'retries_left', -1)
  redis.call('HSET', KEYS[1], 'error', ARGV[9])
  local delay = tonumber(ARGV[10])
  if delay > 0 then
    schedule(id, queue, now + delay)
    return answer('scheduled')
  end
  enqueue(id, queue, false)
  return answer('queued')
end

answer(outcome)
local record = {'worker_name', worker, 'execution_id', execution,
  'execution_started_at', default(began, now), 'execution_ended_at', string.format('%.6f', now)}
if outcome == 'finished' then
  if ARGV[7] ~= '' then  -- RQ's readers take an empty text for damaged JSON
    record[#record + 1] = 'return_value'
    record[#record + 1] = ARGV[7]
  end
  redis.call('XADD', KEYS[3], 'MAXLEN', 10, '*', 'type', '1', unpack(record))
  finish(id, queue, 'finished', 'finished', tonumber(default(job[1], '86400')))
else
  redis.call('HSET', KEYS[1], 'error', err)
  redis.call('XADD', KEYS[3], 'MAXLEN', 10, '*', 'type', '2', 'exc_string', ARGV[8], unpack(record))
  finish(id, queue, outcome, 'failed', tonumber(default(job[2], '604800')))
end
return outcome
