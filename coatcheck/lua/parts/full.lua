-- Needs: keys

-- A full Redis (maxmemory, noeviction) refuses a script whose first write may need memory, and lets one go on
-- that began with a removal (Redis: src/script.c, scriptVerifyOOM). For what must go on even then.
local function even_when_full() redis.call('DEL', prefix .. ':none') end
