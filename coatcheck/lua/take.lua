-- Needs: keys, full
-- Take the next job at once: beside what the worker runs, or in a Redis that is full, which refuses LMOVE (jobs
-- that end are what makes room). KEYS: queue, intermediate list. ARGV: prefix. Returns the job's id, or nothing.
if redis.call('EXISTS', prefix .. ':suspended') == 1 then return nil end
even_when_full()
return redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
