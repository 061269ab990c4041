-- Needs: calendar, submission, limits, new, links
-- Submit jobs that belong to others: that come after them, in a batch, or as children. Apart from submit.lua, since
-- most jobs belong to none, and the parts that this needs take their time in each call.
-- KEYS and ARGV: as for submit.lua, and then one more: how the jobs belong to others, as JSON (`_links` in adapter.py).
-- Returns what submit.lua does, and with 'new' a list: for each job that comes after others and does not wait for them
-- its number, and what is shown of it; or {'dependency', number of the job, of its entry}: it is not there, {'parent'}:
-- nor is that, {'children'}: it has too many. Numbers count from 0.
local call, links = cjson.decode(ARGV[2]), cjson.decode(ARGV[#ARGV])
local owner, limits = call.owner, call.limits
local again = call.fingerprint ~= '' and answer_again(KEYS[2], call.fingerprint)
if again then return again end

local ids, new, counts = read_jobs(#ARGV - 1)
local missing = {}
for _, job in pairs(new) do missing[job[1]] = true end
local refused = links_refusal(links, ids, missing)
if refused then return refused end
local limit = admit(owner, counts, limits)
if limit then return {limit[1], limit[2], allowance(owner, limits)} end

for i = 3, #ARGV - 1, 2 do
  if new[i] then
    local id, queue, due = unpack(new[i], 1, 3)
    local make = after_of(links, (i - 1) / 2) and create_deferred or create
    make(id, queue, due, owner, 'data', ARGV[i + 1], unpack(new[i], 4))
  end
end
if call.fingerprint ~= '' then remember(KEYS[2], call.fingerprint, call.ttl, ids) end
local answer = {'new', iso(), allowance(owner, limits)}
answer[#answer + 1] = link(links, ids, missing, owner)
return answer
