-- Needs: keys, access
-- Some jobs of a batch as a client sees it. KEYS: batch. ARGV: prefix, owner and tasks of who asks, rank of the first
-- of these jobs (from 0), most to look at, then the fields to be told of each: first its status, queue, task and owner.
-- Without fields they are only counted.
-- Returns {'unknown'}, {'forbidden', task}: one of these jobs is of a task that is not theirs, or {'batch', owner, when
-- it was submitted, number of its jobs, of those of these jobs that are kept: {id, fields, id, ...} or
-- {status, how many, status, ...}, the progress of those that run}.
local owner, tasks, first, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local ID = 36
local batch = redis.pcall('HMGET', KEYS[1], 'owner', 'created_at', 'jobs')
if batch.err or not batch[3] or owner ~= '' and batch[1] ~= owner then return {'unknown'} end
local ids = batch[3]
local total = math.floor((#ids + 1) / (ID + 1))

local fields, told, counts, running = {unpack(ARGV, 6)}, {}, {}, {}
local telling = #fields > 0
if not telling then fields = {'status', 'origin', 'description', 'owner', 'progress'} end
for rank = first, math.min(first + most, total) - 1 do
  local id = string.sub(ids, rank * (ID + 1) + 1, rank * (ID + 1) + ID)
  local job = redis.pcall('HMGET', key('job', id), unpack(fields))
  local status = job[1]
  local refused = refusal_of(status, job[4], job[3], owner, tasks)
  if refused and refused[1] == 'forbidden' then return refused end
  if refused then
    -- it is not kept, or not theirs
  elseif telling then
    told[#told + 1] = id
    told[#told + 1] = job
  else
    counts[status] = (counts[status] or 0) + 1
    if status == 'started' and job[5] then running[#running + 1] = job[5] end
  end
end
for status, count in pairs(counts) do
  told[#told + 1] = status
  told[#told + 1] = count
end
return {'batch', batch[1] or '', batch[2] or '', total, told, running}
