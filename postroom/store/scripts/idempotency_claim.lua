-- Claims an idempotency key. A value is `=<answer>` once a submission was accepted, and
-- `?<until_ms>:<token>` while the first one runs; a claim that ran out (its process was killed)
-- may be taken over.
-- KEYS: today's bucket, yesterday's bucket  ARGV: key, token, now_ms, until_ms, keep_s
-- Returns {"claimed"}, {"busy"}, or {"stored", answer}.
for _, bucket in ipairs(KEYS) do
  local value = redis.call('HGET', bucket, ARGV[1])
  if value then
    if string.sub(value, 1, 1) == '=' then
      return {'stored', string.sub(value, 2)}
    end
    local until_ms, token = string.match(value, '^%?(%d+):(.*)$')
    if token == ARGV[2] then
      -- The reply to the first run was lost and the client asked again.
      return {'claimed'}
    end
    if until_ms and tonumber(until_ms) > tonumber(ARGV[3]) then
      return {'busy'}
    end
    redis.call('HDEL', bucket, ARGV[1])
  end
end
redis.call('HSET', KEYS[1], ARGV[1], '?' .. ARGV[4] .. ':' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {'claimed'}
