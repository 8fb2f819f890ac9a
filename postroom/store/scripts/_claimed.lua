-- Whether the idempotency key is still claimed by the holder of `token`.
local function claimed(bucket, key, token)
  local value = redis.call('HGET', bucket, key)
  return value and string.match(value, '^%?%d+:(.*)$') == token
end
