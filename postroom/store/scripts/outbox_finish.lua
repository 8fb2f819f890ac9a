-- Removes a leased message for good. An item without a record is only unscheduled.
-- KEYS: schedule, leases, record, account's queue ids  ARGV: item, token
-- Returns 1, or 0 when the lease was lost.
-- include: lease
if not held(KEYS[2], ARGV[1], ARGV[2]) then
  return 0
end
unschedule(KEYS[1], KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
redis.call('SREM', KEYS[4], ARGV[1])
return 1
