-- Needs: keys, access, lists
-- A page of jobs, newest first. KEYS: index, or owned for the jobs of one owner. ARGV: prefix, cursor ('' = from the
-- newest on, else only older ids), most jobs on the page, most jobs to look at, status, queue, task, owner, and
-- patterns of tasks ('' = any), then the fields to be told of each job: first its status, queue and task.
-- Returns the cursor of the next page ('' = there is none), then for each job its id and its fields.
--
-- The jobs of a queue, or of an owner, and of one status are a range of the set in the order of ids. The page is
-- merged of the newest ends of these ranges, so it costs what it shows, and not what there is. What is in no range
-- of its own (a task; a queue of one owner) is looked for among them, and only so far.
local list, cursor, most, look_at = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local status, queue, task, owner, tasks = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local PIECE = 50
local ranges = {}

-- The rank of the first member of the range that is not older than the cursor.
local function seek(first, after)
  while first < after do
    local middle = math.floor((first + after) / 2)
    if redis.call('ZRANGE', list, middle, middle)[1] < cursor then first = middle + 1 else after = middle end
  end
  return first
end

local function add_range(name, of_status)
  local score = place(name, of_status)
  local count = redis.call('ZCOUNT', list, score, score)
  if count == 0 then return end
  local first = redis.call('ZCOUNT', list, '-inf', '(' .. score)
  local after = first + count
  if cursor ~= '' then after = seek(first, after) end
  ranges[#ranges + 1] = {first = first, after = after, ids = {}, left = 0}
end

local function add_ranges(name)
  if status ~= '' then return add_range(name, status) end
  for each in pairs(PLACES) do add_range(name, each) end
end

local function refill(range)
  local start = math.max(range.first, range.after - PIECE)
  range.ids = redis.call('ZRANGE', list, start, range.after - 1)
  range.left, range.after = #range.ids, start
end

-- The newest id that is left, or nil.
local function newest()
  local best
  for _, range in ipairs(ranges) do
    if range.left == 0 and range.after > range.first then refill(range) end
    if range.left > 0 and (not best or range.ids[range.left] > best.ids[best.left]) then best = range end
  end
  if not best then return nil end
  best.left = best.left - 1
  return best.ids[best.left + 1]
end

-- What a job's hash has in these fields, or nil when it is not to be listed; the first three are known here.
local function fields(id, first, last)
  local job = redis.pcall('HMGET', key('job', id), unpack(ARGV, first, last))
  if job.err or not job[1] or status ~= '' and job[1] ~= status or queue ~= '' and job[2] ~= queue
    or task ~= '' and job[3] ~= task or tasks ~= '' and not any_fits(job[3] or '', tasks) then return nil end
  return job
end

-- Where few may fit, most are looked at for their three fields only.
local searching = task ~= '' or tasks ~= '' or owner ~= '' and queue ~= ''
local function fitting(id)
  if searching and not fields(id, 10, 12) then return nil end
  return fields(id, 10, #ARGV)
end

if owner ~= '' then
  add_ranges(owner)
elseif queue ~= '' then
  add_ranges(queue)
else
  for _, queue_key in ipairs(redis.call('SMEMBERS', prefix .. ':queues')) do
    add_ranges(string.sub(queue_key, #key('queue', '') + 1))
  end
end

local page, shown, last = {''}, 0, ''
for _ = 1, look_at do
  local id = newest()
  if not id then return page end
  local job = fitting(id)
  if job and shown == most then break end
  last = id
  if job then
    shown = shown + 1
    page[#page + 1] = id
    page[#page + 1] = job
  end
end
page[1] = last
return page
