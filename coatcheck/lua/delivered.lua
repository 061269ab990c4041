-- Needs: values, full
-- Add an attempt to the list of a job's deliveries, and drop the oldest ones. KEYS: job.
-- ARGV: prefix, a line that tells of the attempt, how many lines are kept. The same line comes again when the
-- answer to it was lost. Returns whether the job is still there.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
even_when_full()
local lines, found = {}, default(redis.call('HGET', KEYS[1], 'deliveries'), '')
for line in string.gmatch(found, '[^\n]+') do
  if line == ARGV[2] then return 1 end
  lines[#lines + 1] = line
end
lines[#lines + 1] = ARGV[2]
redis.call('HSET', KEYS[1], 'deliveries', table.concat(lines, '\n', math.max(1, #lines - tonumber(ARGV[3]) + 1)))
return 1
