-- Needs: keys, values

-- Keep the newest of a log that got longer: its oldest pieces go while it has more than `limit` bytes. Which went
-- last is noted, so that readers who have not seen it are told.
local function rotate(id, more, limit)
  local size, log = number_of(redis.call('HGET', key('job', id), 'log_size'), 0) + more, key('log', id)
  while size > limit do
    local oldest, dropped = redis.pcall('XRANGE', log, '-', '+', 'COUNT', 100), 0
    while dropped < #oldest - 1 and size > limit do
      dropped = dropped + 1
      size = size - #(oldest[dropped][2][2] or '')
    end
    if dropped == 0 then break end  -- a single piece is never longer than the limit
    redis.call('XTRIM', log, 'MINID', oldest[dropped + 1][1])
    redis.call('HSET', key('job', id), 'log_dropped', oldest[dropped][1])
  end
  redis.call('HSET', key('job', id), 'log_size', string.format('%.0f', size))
end

-- Write a piece of a run's log. It comes again when the answer to it was lost. `cut`: its task printed more before it
-- than a log holds; `limit`: how many bytes that are.
local function print_piece(id, execution, number, text, cut, limit)
  local run = key('execution', id .. ':' .. execution)
  if tonumber(number) > tonumber(default(redis.call('HGET', run, 'pieces'), '0')) then
    redis.call('HSET', run, 'pieces', number)
    limit = tonumber(limit)
    -- In parts of an eighth of the log at most, so that what is dropped for new text is not much more than it.
    local first, most = 1, math.ceil(limit / 8)
    repeat
      local last = math.min(#text, first + most - 1)
      while last > first and string.find(text, '^[\128-\191]', last + 1) do last = last - 1 end
      local part = {'t', string.sub(text, first, last)}
      if cut == '1' and first == 1 then part[3], part[4] = 'cut', '1' end
      append(key('log', id), '*', unpack(part))
      first = last + 1
    until first > #text
    rotate(id, #text, limit)
  end
end
