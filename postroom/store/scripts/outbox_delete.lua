-- Removes a message on a person's demand, unless a worker is at it (contract G2).
-- KEYS: schedule, leases, record, account's queue ids, failed  ARGV: item, now_ms
-- Returns 1, or 0 when it is active or gone.
-- include: lease
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
local leased = redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1
if leased and due and tonumber(due) > tonumber(ARGV[2]) then
  return 0
end
unschedule(KEYS[1], KEYS[2], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
return redis.call('DEL', KEYS[3])
