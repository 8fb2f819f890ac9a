-- Wakes the worker that owns the account, if any. `prefix` is the channel of its topic before the
-- worker id.
local function tell_owner(owners_key, account, prefix)
  local owner = redis.call('HGET', owners_key, account)
  if owner then
    redis.call('PUBLISH', prefix .. string.match(owner, '^(.*):%d+$'), '1')
  end
end
