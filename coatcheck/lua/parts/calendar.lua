-- Needs: clock

-- RFC 3339 in UTC, as RQ writes it. Days to a date: H. Hinnant, "chrono-Compatible Low-Level Date
-- Algorithms", civil_from_days.
local function written()
  local floor, seconds = math.floor, tonumber(clock[1])
  local rest = seconds % 86400
  local z = (seconds - rest) / 86400 + 719468
  local doe = z % 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local mp = floor((5 * doy + 2) / 153)
  local day = doy - floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + (z - doe) / 146097 * 400 + (month <= 2 and 1 or 0)
  local second = rest % 60
  local minute = (rest - second) / 60
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day,
    floor(minute / 60), minute % 60, second, tonumber(clock[2]))
end

-- The same, made once for each reading of the clock.
local made, made_of
local function iso()
  if made_of ~= clock then made, made_of = written(), clock end
  return made
end
