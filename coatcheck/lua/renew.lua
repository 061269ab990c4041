-- Needs: keys, clock, calendar, full, printed
-- A worker shows that it still runs a job, and hands on what the task reported since.
-- KEYS: job, leases. ARGV: prefix, id, execution, seconds of the lease, progress ('' = unchanged),
-- printed text ('' = none), '1' if text before it was dropped, the number of that piece of text, most bytes of a log.
-- Returns 'lost' when the lease is gone (the worker must drop the job), 'stop' when a client asked for
-- it, else 'ok'.
local id, execution, lease = ARGV[2], ARGV[3], tonumber(ARGV[4])
local member = id .. ':' .. execution
if not redis.call('ZSCORE', KEYS[2], member) or redis.call('EXISTS', KEYS[1]) == 0 then return 'lost' end
-- A lease is renewed in a full Redis too; text has to wait for room.
if ARGV[6] == '' then even_when_full() end

redis.call('ZADD', KEYS[2], string.format('%.6f', now + lease), member)
redis.call('HSET', KEYS[1], 'last_heartbeat', iso())
redis.call('HSET', key('execution', member), 'last_heartbeat', string.format('%.6f', now))
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'progress', ARGV[5]) end
print_piece(id, execution, ARGV[8], ARGV[6], ARGV[7], ARGV[9])
if redis.call('HGET', KEYS[1], 'stop_requested') == '1' then return 'stop' end
return 'ok'
