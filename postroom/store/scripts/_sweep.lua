-- Forgets failed messages: those older than `before_ms`, and all but the newest `keep`.
-- The records and sets that go are of the same partition, hence of the same hash tag.
local function forget(failed_key, record_prefix, set_prefix, item)
  local account = redis.call('HGET', record_prefix .. item, 'account')
  redis.call('DEL', record_prefix .. item)
  if account then
    redis.call('SREM', set_prefix .. account, item)
  end
  redis.call('ZREM', failed_key, item)
end

local function sweep(failed_key, record_prefix, set_prefix, before_ms, keep)
  local old = redis.call('ZRANGEBYSCORE', failed_key, '-inf', before_ms, 'LIMIT', 0, 1000)
  for _, item in ipairs(old) do
    forget(failed_key, record_prefix, set_prefix, item)
  end
  local surplus = redis.call('ZCARD', failed_key) - tonumber(keep)
  if surplus > 0 then
    for _, item in ipairs(redis.call('ZRANGE', failed_key, 0, surplus - 1)) do
      forget(failed_key, record_prefix, set_prefix, item)
    end
  end
  return #old
end
