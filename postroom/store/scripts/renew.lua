-- Prolongs a lease. KEYS: schedule, leases  ARGV: item, token, until_ms  Returns 1, or 0 if lost.
-- include: lease
if not held(KEYS[2], ARGV[1], ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1
