-- Appends one prepared event to the partition's log and counts it on the account's hash
-- (pass false as account_key when the account is being deleted). Returns the log id.
local function append(stream_key, account_key, account, event_id, event, payload)
  local id = redis.call('XADD', stream_key, '*', 'a', account, 'e', event, 'i', event_id, 'p', payload)
  if account_key then
    redis.call('HINCRBY', account_key, 'n:' .. event, 1)
  end
  return id
end

-- Appends `count` events given as triples (id, type, payload) from ARGV[first] on.
local function append_all(stream_key, account_key, account, first, count, wake_channel)
  for i = 0, count - 1 do
    local at = first + i * 3
    append(stream_key, account_key, account, ARGV[at], ARGV[at + 1], ARGV[at + 2])
  end
  if count > 0 then
    redis.call('PUBLISH', wake_channel, '1')
  end
end
