-- Removes every key of an account and logs its end. Dynamic keys (lanes, outbox records, index
-- blocks) are of the same slot: they are named by the account's own sets and by its number counter.
-- KEYS: account, accounts, owners, owners-version, mailboxes, numbers, seen, lanes, outboxes,
--       stream, schedule/leases/failed of submit, schedule/leases/failed of notify
-- ARGV: account, key prefix of the partition, events channel, worker channel prefix,
--       count of further keys, keys..., event count, (id, type, payload)...
-- Returns 1, or 0 when there is no such account.
-- include: append
-- include: tell
local account, prefix = ARGV[1], ARGV[2]
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end

local function forget(first, item)
  redis.call('ZREM', KEYS[first], item)
  redis.call('HDEL', KEYS[first + 1], item)
  redis.call('ZREM', KEYS[first + 2], item)
end

for _, queue_id in ipairs(redis.call('SMEMBERS', KEYS[9])) do
  forget(11, queue_id)
  redis.call('UNLINK', prefix .. 'outbox:' .. queue_id)
end
for _, lane in ipairs(redis.call('SMEMBERS', KEYS[8])) do
  forget(14, lane)
  redis.call('UNLINK', prefix .. 'lane:' .. lane, prefix .. 'lane-state:' .. lane)
end
local numbers = tonumber(redis.call('HGET', KEYS[6], 'last') or '0')
for number = 1, numbers do
  redis.call('UNLINK', prefix .. 'index:' .. number .. ':' .. account)
end
local further = tonumber(ARGV[5])
for at = 6, 5 + further do
  redis.call('UNLINK', ARGV[at])
end
redis.call('UNLINK', KEYS[1], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9])
redis.call('ZREM', KEYS[2], account)
tell_owner(KEYS[3], account, ARGV[4])
redis.call('HDEL', KEYS[3], account)
redis.call('INCR', KEYS[4])
append_all(KEYS[10], false, account, 7 + further, tonumber(ARGV[6 + further]), ARGV[3])
return 1
