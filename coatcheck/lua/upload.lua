-- Needs: clock
-- Let an owner begin an upload, or not. KEYS: the owner's bucket. ARGV: prefix, the bytes that the upload counts for,
-- the bytes that may come in a day.
-- Returns the microseconds until it would fit, 0 = it is let in, and those until all of a day's bytes are there again.

-- The bucket holds the bytes of a day and fills up evenly. The microsecond at which it is full is all that is kept.
local DAY = 86400000000
local bytes, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local at = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local kept = redis.pcall('GET', KEYS[1])
local full = tonumber(string.match(type(kept) == 'string' and kept or '', '^%d+$')) or at
full = math.min(math.max(full, at), at + DAY)  -- a clock that was set back keeps nobody out for longer

-- Rounded down: the bytes of a day must not take a microsecond more than it has.
local with = full + math.floor(bytes * DAY / most)
if with > at + DAY then return {with - at - DAY, full - at} end
redis.call('SET', KEYS[1], string.format('%.0f', with), 'PX', math.ceil((with - at) / 1000) + 1)
return {0, with - at}
