-- Take the next job in a Redis that is full, which refuses LMOVE: jobs that end are what makes room.
-- KEYS: queue, intermediate list. ARGV: prefix. Returns the job's id, or nothing.
even_when_full()
return redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
