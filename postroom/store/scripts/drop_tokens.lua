-- Removes all tokens of an account. KEYS: account-tokens, tokens  ARGV: prefix of token keys
-- Returns how many.
local ids = redis.call('SMEMBERS', KEYS[1])
for _, id in ipairs(ids) do
  redis.call('UNLINK', ARGV[1] .. id)
  redis.call('ZREM', KEYS[2], id)
end
redis.call('UNLINK', KEYS[1])
return #ids
