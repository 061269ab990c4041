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
-- ('' = all).
local function refusal(id, owner, tasks)
  local job = redis.pcall('HMGET', key('job', id), 'status', 'owner', 'description')
  if job.err or not job[1] or owner ~= '' and job[2] ~= owner then return {'unknown'} end
  if tasks == '' or any_fits(job[3] or '', tasks) then return nil end
  return {'forbidden', job[3] or ''}
end
