-- Needs: keys, clock, values, full, queues, release, dependencies, ending, settling
-- Deal with jobs whose worker shows no sign of life. KEYS: leases, time of the last sweep.
-- ARGV: prefix, how often a job may lose its worker, base64 of the record's text for a lost worker and
-- for a job that loses each one, the two errors as JSON, how many jobs at most, seconds of a lease.
-- Returns a flat list of id, what became of it.
even_when_full()

-- When nobody could look for a while, Redis was away (or its clock was set), and no worker could renew its
-- lease either: that is no sign of death. Each lease gets a whole term from now.
local lease, last = tonumber(ARGV[8]), number_of(redis.call('GET', KEYS[2]), 0)
if now < last or now - last > math.max(2, lease / 3) then
  local range = now < last and '+inf' or string.format('(%.6f', now + lease)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', range)) do
    redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease), member)
  end
end
redis.call('SET', KEYS[2], string.format('%.6f', now))

local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now), 'LIMIT', 0, ARGV[7])
local done = {}
for _, member in ipairs(found) do
  local id, execution = string.match(member, '^([^:]*):(.*)$')
  local job_key = key('job', id or '')
  local job = job_fields(id or '', 'status', 'origin', 'execution', 'worker_name', 'at_most_once', 'failure_ttl')
  redis.call('ZREM', KEYS[1], member)
  if not id or not job[1] or not job[2] then
    if id then
      local worker = redis.call('HGET', key('execution', member), 'worker_name')
      for _, queue in ipairs(redis.call('SMEMBERS', prefix .. ':queues')) do
        release(id, execution, string.sub(queue, #key('queue', '') + 1), default(worker, ''))
      end
      gone(id)
    end
  else
    local queue = job[2]
    release(id, execution, queue, default(job[4], ''))
    if job[1] == 'started' and job[3] == execution then
      add(job_key, 'interrupted', 1)
      -- Workers that were told to end and gave the job back say nothing against it: not 'interrupted'.
      local lost, history = lose(id, job[4])
      local outcome = 'queued'
      local once, poisonous = job[5] == '1', lost >= tonumber(ARGV[2])
      if redis.call('HGET', job_key, 'stop_requested') == '1' then
        outcome = 'stopped'
      elseif once or poisonous then
        outcome = 'failed'
      end
      if outcome == 'queued' then
        redis.call('HSET', job_key, 'started_at', '')
        enqueue(id, queue, true)
      else
        local text, err = ARGV[3], ARGV[5]
        if poisonous and not once then
          local told = cjson.decode(ARGV[6])
          told.message = told.message .. '; it lost ' .. history
          text, err = ARGV[4], cjson.encode(told)
        end
        redis.call('HSET', job_key, 'error', err)
        append(key('results', id), 'MAXLEN', 10, '*', 'type', '2', 'exc_string', text,
          'worker_name', default(job[4], ''))
        finish(id, queue, outcome, 'failed', ttl_of(job[6], 604800))
      end
      done[#done + 1] = id
      done[#done + 1] = outcome
    end
  end
end
if unsettled then settling().all() end
return done
