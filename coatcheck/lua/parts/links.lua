-- Needs: keys, calendar, values, access, shown, dependencies, settling

-- How new jobs belong to others (`_links` in adapter.py): to those that they come after, to their batch and to their
-- parent. `new` has the ids of those that are not there yet.
local function after_of(links, number) return links.after[string.format('%d', number - 1)] end

-- Why they can't; nil where they can.
local function links_refusal(links, ids, new)
  local added = 0
  for number, id in ipairs(ids) do
    if new[id] then
      added = added + 1
      for entry, each in ipairs(after_of(links, number) or {}) do
        local there = new[each] or not refusal(each, links.access[1], links.access[2])
        if each == id or not there then return {'dependency', number - 1, entry - 1} end
      end
    end
  end
  if links.parent == '' or added == 0 then return nil end
  local parent = job_fields(links.parent, 'status', 'children')
  if not parent[1] then return {'parent'} end
  local _, children = string.gsub(parent[2] or '', '[^,]+', '')
  if children + added > links.children then return {'children'} end
  return nil
end

-- Write the hash of a job that comes after others.
local function create_deferred(id, queue, due, owner, ...)
  redis.call('HSET', key('job', id), 'created_at', iso(), 'status', 'deferred', ...)
  if due ~= '' then redis.call('HSET', key('job', id), 'scheduled_for', due) end
end

local function link_batch(links, ids, owner)
  local name = key('batch', links.batch)
  if links.batch == '' or redis.call('EXISTS', name) == 1 then return end
  redis.call('HSET', name, 'owner', owner, 'created_at', iso(), 'jobs', table.concat(ids, ','), 'open', #ids,
    'ttl', links.batch_ttl)
end

local function link_parent(links, ids)
  if links.parent == '' then return end
  local children = job_fields(links.parent, 'children')[1] or ''
  for _, id in ipairs(ids) do
    if not string.find(children, id, 1, true) then children = children .. (children ~= '' and ',' or '') .. id end
  end
  redis.call('HSET', key('job', links.parent), 'children', children)
end

-- Link jobs that were created, and see what becomes of those that come after others. Returns for each of them that
-- does not wait its number, and what is shown of it.
local function link(links, ids, new, owner)
  local settled = settling()
  link_batch(links, ids, owner)
  link_parent(links, ids)
  local dependents = {}
  for number, id in ipairs(ids) do
    local after = new[id] and after_of(links, number)
    if after then
      settled.tell_rq(id, after)
      settled.put_aside(id, redis.call('HGET', key('job', id), 'origin'))
      for _, each in ipairs(after) do
        dependents[each] = dependents[each] or {}
        table.insert(dependents[each], id)
        if not new[each] then unsettled = redis.pcall('ZADD', UNSETTLED, 1, id) end
      end
    end
  end
  for each, those in pairs(dependents) do settled.tell(each, those) end
  if unsettled then settled.all() end
  local answer = {}
  for number, id in ipairs(ids) do
    if after_of(links, number) and job_fields(id, 'status')[1] ~= 'deferred' then
      answer[#answer + 1] = number - 1
      answer[#answer + 1] = shown(id)
    end
  end
  return answer
end
