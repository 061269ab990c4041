-- Needs: clock, values, full, runs
-- A worker begins a job that it took. KEYS: job, intermediate list of the queue, leases.
-- ARGV: prefix, id, queue, worker, execution, seconds of the lease.
-- Returns what is to be run as fields and values, or {} when the job is no longer this worker's to run: it was
-- canceled, or lay so long between taking and beginning that it was put back. The same execution may ask
-- again when the answer was lost: as long as it holds its lease it is told the same, and begins once.
local id, queue, worker, execution, lease = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local member = id .. ':' .. execution
if redis.call('ZSCORE', KEYS[3], member) then
  even_when_full()
  redis.call('ZADD', KEYS[3], string.format('%.6f', now + lease), member)
  return to_run(job_named(id))
end
if redis.call('LREM', KEYS[2], 1, id) == 0 then return {} end
local job = job_named(id)
if job.status ~= 'queued' then return {} end

show_state(worker, 'busy')
return begin(id, job, queue, worker, execution, lease)
