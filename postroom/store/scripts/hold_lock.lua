-- Takes a lock, or prolongs one's own. KEYS: lock  ARGV: token, ttl_ms
-- Returns 1 when the lock is held now, 0 when another holds it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
