-- Redis' own clock, so that workers and functions whose clocks differ agree on what is due.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
