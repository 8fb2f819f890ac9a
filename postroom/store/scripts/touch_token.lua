-- Replaces the record of a token that still exists; its time of expiry stays.
-- KEYS: token  ARGV: record  Returns 1, or 0 when it is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
return 1
