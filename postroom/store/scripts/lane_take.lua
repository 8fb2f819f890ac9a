-- Leases one lane before its time, if it still waits for exactly the time it was put off to.
-- KEYS: schedule, leases  ARGV: lane, token, put_off_until_ms, lease_until_ms
-- Returns 1, or 0 when it is held, gone, or was given another time meanwhile (a failed attempt).
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) ~= tonumber(ARGV[3]) or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
