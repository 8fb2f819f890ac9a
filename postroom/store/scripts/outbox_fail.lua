-- Gives a leased message up: its MIME bytes go, its record stays among the failed ones.
-- KEYS: schedule, leases, record, stream, account, failed
-- ARGV: item, token, record, now_ms, account, wake_channel, count, (id, type, payload) * count,
--   then record_prefix, set_prefix, forget_before_ms, keep
-- Returns 1, or 0 when the lease was lost or the message is gone.
-- include: lease
-- include: append
-- include: sweep
if not held(KEYS[2], ARGV[1], ARGV[2]) or redis.call('EXISTS', KEYS[3]) == 0 then
  return 0
end
local count = tonumber(ARGV[7])
local after = 8 + count * 3
unschedule(KEYS[1], KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], 'record', ARGV[3], 'account', ARGV[5])
redis.call('HDEL', KEYS[3], 'raw')
redis.call('ZADD', KEYS[6], ARGV[4], ARGV[1])
append_all(KEYS[4], KEYS[5], ARGV[5], 8, count, ARGV[6])
sweep(KEYS[6], ARGV[after], ARGV[after + 1], ARGV[after + 2], ARGV[after + 3])
return 1
