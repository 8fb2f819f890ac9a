-- Gives a leased message back for another try at due_ms, with its new record and events.
-- KEYS: schedule, leases, record, stream, account
-- ARGV: item, token, record, due_ms, account, wake_channel, count, (id, type, payload) * count
-- Returns 1, or 0 when the lease was lost or the message is gone.
-- include: lease
-- include: append
if not held(KEYS[2], ARGV[1], ARGV[2]) or redis.call('EXISTS', KEYS[3]) == 0 then
  return 0
end
redis.call('HSET', KEYS[3], 'record', ARGV[3])
reschedule(KEYS[1], KEYS[2], ARGV[1], ARGV[4])
append_all(KEYS[4], KEYS[5], ARGV[5], 8, tonumber(ARGV[7]), ARGV[6])
return 1
