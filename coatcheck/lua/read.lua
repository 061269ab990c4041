-- Needs: access, shown
-- One job as a client sees it. KEYS: job. ARGV: prefix, id, owner and tasks of who asks.
-- Returns {'job', what is shown: nothing where there is no job}, {'unknown'} or {'forbidden', task}.
local id, owner, tasks = ARGV[2], ARGV[3], ARGV[4]
local refused = (owner ~= '' or tasks ~= '') and refusal(id, owner, tasks)
return refused or {'job', shown(id)}
