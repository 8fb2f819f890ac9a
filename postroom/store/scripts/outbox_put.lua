-- Queues a message: record, MIME bytes, schedule item and the answer of its idempotency key.
-- KEYS: record, account's queue ids, schedule, account, idempotency bucket
-- ARGV: queue_id, record, raw, due_ms, wake_channel, key or '', token, answer
-- Returns 1; 0 when the claim was lost; -1 when the queue id is taken; -2 without the account.
-- include: claimed
if redis.call('EXISTS', KEYS[4]) == 0 then
  return -2
end
local present = redis.call('HGET', KEYS[1], 'record')
if present then
  -- The same record: the reply to the first run was lost and the client asked again.
  return present == ARGV[2] and 1 or -1
end
if ARGV[6] ~= '' then
  if not claimed(KEYS[5], ARGV[6], ARGV[7]) then
    return 0
  end
  redis.call('HSET', KEYS[5], ARGV[6], '=' .. ARGV[8])
end
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'raw', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
redis.call('PUBLISH', ARGV[5], '1')
return 1
