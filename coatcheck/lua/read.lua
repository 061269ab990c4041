-- Needs: access, shown
-- One job as a client sees it. KEYS: job. ARGV: prefix, id, owner and tasks of who asks.
-- Returns {'job', what is shown}, {'unknown'} or {'forbidden', task}.
local id = ARGV[2]
local refused = refusal(id, ARGV[3], ARGV[4])
if refused then return refused end
return {'job', shown(id)}
