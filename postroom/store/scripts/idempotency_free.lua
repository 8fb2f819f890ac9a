-- Frees a claimed idempotency key after a failed first attempt (contract F18).
-- KEYS: bucket  ARGV: key, token  Returns 1, or 0 when the claim was not held.
-- include: claimed
if not claimed(KEYS[1], ARGV[1], ARGV[2]) then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
