-- Writes the record of a leased message, with events, and prolongs the lease.
-- KEYS: schedule, leases, record, stream, account
-- ARGV: item, token, record, until_ms, account, wake_channel, count, (id, type, payload) * count
-- Returns 1, or 0 when the lease was lost or the message is gone.
-- include: lease
-- include: append
if not held(KEYS[2], ARGV[1], ARGV[2]) or redis.call('EXISTS', KEYS[3]) == 0 then
  return 0
end
local is_repeat = redis.call('HGET', KEYS[3], 'record') == ARGV[3]
redis.call('HSET', KEYS[3], 'record', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
if is_repeat then
  -- The reply to the first run was lost and the client asked again: no event twice.
  return 1
end
append_all(KEYS[4], KEYS[5], ARGV[5], 8, tonumber(ARGV[7]), ARGV[6])
return 1
