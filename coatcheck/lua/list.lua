-- Needs: keys, access, lists
-- A page of jobs, newest first. KEYS: index, or owned for the jobs of one owner; then a batch, for its jobs only.
-- ARGV: prefix, cursor ('' = from the newest on, else only older ids), most jobs on the page, most jobs to look at,
-- status, queue, task, owner, and patterns of tasks ('' = any), then the fields to be told of each job: first its
-- status, queue and task.
-- Returns the cursor of the next page ('' = there is none), then for each job its id and its fields; or nothing at
-- all: there is no such batch, or it is another owner's.
--
-- The jobs of a queue, or of an owner, and of one status are a range of the set in the order of ids. The page is
-- merged of the newest ends of these ranges, so it costs what it shows, and not what there is. What is in no range
-- of its own (a task; a queue of one owner) is looked for among them, and only so far. The jobs of a batch are a range
-- too, its own text of ids, which has them in the order in which they were made; in it all else is looked for.
local list, cursor, most, look_at = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local status, queue, task, owner, tasks = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local PIECE, ID = 50, 36
local ranges = {}

local batch
if KEYS[2] then
  local found = redis.pcall('HMGET', KEYS[2], 'jobs', 'owner')
  if not found[1] or owner ~= '' and found[2] ~= owner then return false end
  batch = found[1]
end

-- The ids from the rank `first` to the rank `last`.
local function members(first, last)
  if not batch then return redis.call('ZRANGE', list, first, last) end
  local ids = {}
  for rank = first, last do ids[#ids + 1] = string.sub(batch, rank * (ID + 1) + 1, rank * (ID + 1) + ID) end
  return ids
end

-- The rank of the first member of the range that is not older than the cursor.
local function seek(first, after)
  while first < after do
    local middle = math.floor((first + after) / 2)
    if members(middle, middle)[1] < cursor then first = middle + 1 else after = middle end
  end
  return first
end

local function add_range(first, count)
  local after = first + count
  if cursor ~= '' then after = seek(first, after) end
  ranges[#ranges + 1] = {first = first, after = after, ids = {}, left = 0}
end

local function add_placed(name, of_status)
  local score = place(name, of_status)
  local count = redis.call('ZCOUNT', list, score, score)
  if count > 0 then add_range(redis.call('ZCOUNT', list, '-inf', '(' .. score), count) end
end

local function add_ranges(name)
  if status ~= '' then return add_placed(name, status) end
  for each in pairs(PLACES) do add_placed(name, each) end
end

local function refill(range)
  local start = math.max(range.first, range.after - PIECE)
  range.ids = members(start, range.after - 1)
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
local searching = task ~= '' or tasks ~= '' or (owner ~= '' or batch) and queue ~= '' or batch and status ~= ''
local function fitting(id)
  if searching and not fields(id, 10, 12) then return nil end
  return fields(id, 10, #ARGV)
end

if batch then
  add_range(0, math.floor((#batch + 1) / (ID + 1)))
elseif owner ~= '' then
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
