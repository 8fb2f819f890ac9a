-- The leased schedule: a sorted set of items by due time and a hash of lease tokens.
-- An item is waiting (due, no lease), delayed (not yet due), or active (leased until its score).
local function held(leases_key, item, token)
  return redis.call('HGET', leases_key, item) == token
end

local function reschedule(schedule_key, leases_key, item, due_ms)
  redis.call('ZADD', schedule_key, due_ms, item)
  redis.call('HDEL', leases_key, item)
end

local function unschedule(schedule_key, leases_key, item)
  redis.call('ZREM', schedule_key, item)
  redis.call('HDEL', leases_key, item)
end
