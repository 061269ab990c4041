-- Needs: keys, access
-- A batch as a client sees it. KEYS: batch. ARGV: prefix, owner and tasks of who asks, most jobs to look at, then the
-- fields to be told of each job.
-- Returns {'unknown'}, {'forbidden', task}: one of its jobs is of a task that is not theirs, or {'batch', owner, when
-- it was submitted, number of its jobs, id, fields, id, ...}: those of its jobs that are kept.
local owner, tasks, most = ARGV[2], ARGV[3], tonumber(ARGV[4])
local batch = redis.pcall('HMGET', KEYS[1], 'owner', 'created_at', 'jobs')
if batch.err or not batch[3] or owner ~= '' and batch[1] ~= owner then return {'unknown'} end

local answer, total = {'batch', batch[1] or '', batch[2] or '', 0}, 0
for id in string.gmatch(batch[3], '[^,]+') do
  if total == most then break end
  total = total + 1
  local refused = refusal(id, owner, tasks)
  if refused and refused[1] == 'forbidden' then return refused end
  if not refused then
    answer[#answer + 1] = id
    answer[#answer + 1] = redis.call('HMGET', key('job', id), unpack(ARGV, 5))
  end
end
answer[4] = total
return answer
