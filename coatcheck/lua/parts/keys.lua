-- The names of keys. Every script takes the key prefix as ARGV[1]. All keys share the prefix's hash tag, so one slot.
local prefix = ARGV[1]

local function key(kind, name) return prefix .. ':' .. kind .. ':' .. name end

-- What is kept about an owner, whose name is no part of a key: it may hold anything.
local function owners_key(kind, owner) return key(kind, redis.sha1hex(owner)) end
