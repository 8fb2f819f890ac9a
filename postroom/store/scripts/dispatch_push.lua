-- Puts a run of log ids on their lanes and moves the mark up to which the log is dispatched: both
-- or nothing. When the mark is no longer where the caller read it, another dispatcher was faster.
-- KEYS: dispatched, schedule, then of each push: lane, lane-state, the account's lanes
-- ARGV: mark as read, new mark, now_ms, wake channel,
--       then of each push: log id, lane, destination, account
-- Returns 1, or 0 when nothing was done.
if (redis.call('GET', KEYS[1]) or '0-0') ~= ARGV[1] then
  return 0
end
local woken = 0
for i = 0, (#KEYS - 2) / 3 - 1 do
  local key, arg = 3 + i * 3, 5 + i * 4
  local lane = ARGV[arg + 1]
  if redis.call('RPUSH', KEYS[key], ARGV[arg]) == 1 then
    redis.call('HSET', KEYS[key + 1], 'destination', ARGV[arg + 2], 'account', ARGV[arg + 3])
    redis.call('SADD', KEYS[key + 2], lane)
  end
  -- A lane that is leased or sleeps after a failure keeps its time.
  woken = woken + redis.call('ZADD', KEYS[2], 'NX', ARGV[3], lane)
end
redis.call('SET', KEYS[1], ARGV[2])
if woken > 0 then
  redis.call('PUBLISH', ARGV[4], '1')
end
return 1
