-- Registers an account, or replaces the record of an existing one.
-- KEYS: account, accounts, owners, stream
-- ARGV: account, record, created_ms, events channel, assign channel, worker channel prefix,
--       event count, (id, type, payload)...   The events are logged for a new account only.
-- Returns 1 when the account is new, else 0.
-- include: append
-- include: tell
local account = ARGV[1]
local is_new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], 'record', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
if is_new then
  redis.call('HSET', KEYS[1], 'created', ARGV[3], 'state', 'init')
  redis.call('ZADD', KEYS[2], 0, account)
  append_all(KEYS[4], KEYS[1], account, 8, tonumber(ARGV[7]), ARGV[4])
else
  tell_owner(KEYS[3], account, ARGV[6])
end
redis.call('PUBLISH', ARGV[5], '1')
return is_new and 1 or 0
