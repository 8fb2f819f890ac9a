-- Replaces the record of an existing account and wakes its owner.
-- KEYS: account, owners  ARGV: account, record, worker channel prefix, expected revision or ''
-- Returns the new revision, 0 when there is no such account, -1 when the revision differs.
-- include: tell
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision then
  return 0
end
if ARGV[4] ~= '' and ARGV[4] ~= revision then
  return -1
end
redis.call('HSET', KEYS[1], 'record', ARGV[2])
tell_owner(KEYS[2], ARGV[1], ARGV[3])
return redis.call('HINCRBY', KEYS[1], 'revision', 1)
