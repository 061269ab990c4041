-- Needs: calendar, submission, limits, new
-- Submit jobs, all or none. KEYS: index, and with an idempotency key its record.
-- ARGV: prefix, the call as a JSON object (owner of the jobs, '' = nobody's; limits; fingerprint, '' without an
-- idempotency key, and its time to live), then for each job two: a JSON array of texts (id, queue, due second or '' =
-- now, fields of the hash and their values), its data.
-- Returns {'new', time, allowance}, of nobody's jobs the time alone; {'known', id, what is shown of it, id, ...},
-- {'mismatch'}, or what `admit` says and the allowance.
local call = cjson.decode(ARGV[2])
local owner, limits = call.owner, call.limits
local again = call.fingerprint ~= '' and answer_again(KEYS[2], call.fingerprint)
if again then return again end

local ids, new, counts = read_jobs(#ARGV)
local limit = admit(owner, counts, limits)
if limit then return {limit[1], limit[2], allowance(owner, limits)} end

for i = 3, #ARGV, 2 do
  if new[i] then
    local id, queue, due = unpack(new[i], 1, 3)
    create(id, queue, due, owner, 'data', ARGV[i + 1], unpack(new[i], 4))
  end
end
if call.fingerprint ~= '' then remember(KEYS[2], call.fingerprint, call.ttl, ids) end
if owner == '' then return iso() end
return {'new', iso(), allowance(owner, limits)}
