-- Leases up to `limit` due items. An item whose lease ran out is due again: that is the recovery
-- of a killed worker's work.
-- KEYS: schedule, leases  ARGV: now_ms, lease_ms, limit, token
-- Returns {next_due_ms or -1, item, was_stalled (0|1), item, was_stalled, ...}
local now = tonumber(ARGV[1])
local items = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])
local reply = {-1}
for _, item in ipairs(items) do
  local stalled = redis.call('HEXISTS', KEYS[2], item)
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), item)
  redis.call('HSET', KEYS[2], item, ARGV[4])
  reply[#reply + 1] = item
  reply[#reply + 1] = stalled
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[2] then
  reply[1] = math.floor(tonumber(first[2]))
end
return reply
