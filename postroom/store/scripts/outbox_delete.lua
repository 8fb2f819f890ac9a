-- Removes a message on a person's demand, with the events of it, unless a worker is at it
-- (contract G2).
-- KEYS: schedule, leases, record, account's queue ids, failed, stream, account
-- ARGV: item, now_ms, record as it was read, account, wake_channel, count, (id, type, payload)...
-- Returns 1; 0 when it is active or gone; -1 when the record is another one by now.
-- include: lease
-- include: append
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
local leased = redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1
if leased and due and tonumber(due) > tonumber(ARGV[2]) then
  return 0
end
local present = redis.call('HGET', KEYS[3], 'record')
if present and present ~= ARGV[3] then
  return -1
end
unschedule(KEYS[1], KEYS[2], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if redis.call('DEL', KEYS[3]) == 0 then
  return 0
end
append_all(KEYS[6], KEYS[7], ARGV[4], 7, tonumber(ARGV[6]), ARGV[5])
return 1
