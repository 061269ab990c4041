-- Needs: access
-- A piece of a job's log. KEYS: job, log. ARGV: prefix, id, owner and tasks of who asks, cursor, how many pieces at
-- most. Returns {'log', status, pieces, the last piece that was dropped or ''}, {'unknown'} or {'forbidden', task}.
local refused = refusal(ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
local pieces = redis.pcall('XRANGE', KEYS[2], '(' .. ARGV[5], '+', 'COUNT', ARGV[6])
local status, dropped = unpack(redis.call('HMGET', KEYS[1], 'status', 'log_dropped'))
return {'log', status, pieces.err and {} or pieces, dropped or ''}
