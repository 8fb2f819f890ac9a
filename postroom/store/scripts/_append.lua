-- Appends one prepared event to the partition's log and counts it on the account's hash
-- (pass false as account_key when the account is being deleted). Returns the log id.
local function append(stream_key, account_key, account, event_id, event, payload)
  local id = redis.call('XADD', stream_key, '*', 'a', account, 'e', event, 'i', event_id, 'p', payload)
  if account_key then
    redis.call('HINCRBY', account_key, 'n:' .. event, 1)
  end
  return id
end

-- Appends `count` events given as triples (id, type, payload) from ARGV[first] on. When the reply to
-- a run was lost the client asks again: the batch that was logged last is not logged twice.
local function append_all(stream_key, account_key, account, first, count, wake_channel)
  if count > 0 and account_key then
    if redis.call('HGET', account_key, 'logged') == ARGV[first] then
      return
    end
    redis.call('HSET', account_key, 'logged', ARGV[first])
  end
  for i = 0, count - 1 do
    local at = first + i * 3
    append(stream_key, account_key, account, ARGV[at], ARGV[at + 1], ARGV[at + 2])
  end
  if count > 0 then
    redis.call('PUBLISH', wake_channel, '1')
  end
end
