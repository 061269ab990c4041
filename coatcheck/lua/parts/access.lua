-- Needs: keys

-- Whether a task fits one of the patterns, which stand one a line.
local function any_fits(task, patterns)
  for pattern in string.gmatch(patterns, '[^\n]+') do
    if string.find(task, pattern) then return true end
  end
  return false
end

-- Why a client may not deal with a job: {'unknown'} where there is none, {'forbidden', task} where the task is none
-- of theirs; nil where they may. A job of another owner is to them as if there were none, in what is answered and in
-- what it costs. `owner`: whose jobs they see ('' = everybody's); `tasks`: patterns of their tasks, one a line
-- ('' = all). The job as far as it is read already,
local function refusal_of(status, job_owner, task, owner, tasks)
  if not status or owner ~= '' and job_owner ~= owner then return {'unknown'} end
  if tasks == '' or any_fits(task or '', tasks) then return nil end
  return {'forbidden', task or ''}
end

-- or by its id.
local function refusal(id, owner, tasks)
  local job = redis.pcall('HMGET', key('job', id), 'status', 'owner', 'description')
  return refusal_of(job[1], job[2], job[3], owner, tasks)
end
