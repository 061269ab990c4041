-- Needs: full
-- A worker shows that it lives. KEYS: worker, all workers, workers of its queue.
-- ARGV: prefix, seconds until it counts as gone, fields and values. All of them: the hash may have expired.
even_when_full()
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], KEYS[1])
redis.call('SADD', KEYS[3], KEYS[1])
