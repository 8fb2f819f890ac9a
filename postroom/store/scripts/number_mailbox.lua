-- The folder number of (UIDVALIDITY, path), handed out on first use and kept both ways
-- (contract A2). A pair starts with four zero bytes (UIDVALIDITY is 32 bits wide, RFC 9051 2.3.1.1),
-- so it never equals `last` or `n:<number>`.
-- KEYS: account, numbers  ARGV: pair  Returns the number, or 0 when there is no such account.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local known = redis.call('HGET', KEYS[2], ARGV[1])
if known then
  return tonumber(known)
end
local number = redis.call('HINCRBY', KEYS[2], 'last', 1)
redis.call('HSET', KEYS[2], ARGV[1], number, 'n:' .. number, ARGV[1])
return number
