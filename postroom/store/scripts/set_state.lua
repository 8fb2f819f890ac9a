-- Writes what an account's owner found out about it, with the events of it.
-- KEYS: owners, account, stream
-- ARGV: account, owner, events channel, count of fields to set, (field, value)...,
--       count of fields to remove, field..., event count, (id, type, payload)...
-- include: fence
-- include: append
local account = ARGV[1]
fence(KEYS[1], account, ARGV[2])
local at = 5
for _ = 1, tonumber(ARGV[4]) do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  at = at + 2
end
local cleared = tonumber(ARGV[at])
for i = at + 1, at + cleared do
  redis.call('HDEL', KEYS[2], ARGV[i])
end
at = at + cleared + 1
append_all(KEYS[3], KEYS[2], account, at + 1, tonumber(ARGV[at]), ARGV[3])
return 1
