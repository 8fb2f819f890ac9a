-- Takes the head, delivered or dead, off a leased lane and prolongs the lease; an emptied lane
-- leaves no key. KEYS: schedule, leases, lane, lane-state, the account's lanes
-- ARGV: lane, token, log id, until_ms
-- Returns 1, or 0 when the lease was lost or the head is another one (then nothing changes).
-- include: lease
if not held(KEYS[2], ARGV[1], ARGV[2]) or redis.call('LINDEX', KEYS[3], 0) ~= ARGV[3] then
  return 0
end
redis.call('LPOP', KEYS[3])
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[4])
  redis.call('SREM', KEYS[5], ARGV[1])
  unschedule(KEYS[1], KEYS[2], ARGV[1])
else
  redis.call('HDEL', KEYS[4], 'attempts')
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
end
return 1
