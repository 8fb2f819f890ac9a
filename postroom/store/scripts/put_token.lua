-- Stores a token unless its id is taken.
-- KEYS: token, tokens [, account-tokens]  ARGV: id, record, created_ms, ttl_ms or ''
-- Returns 1, or 0 when the id exists.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[4] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
if KEYS[3] then
  redis.call('SADD', KEYS[3], ARGV[1])
end
return 1
