-- The head of a leased lane with what the log holds for each id.
-- KEYS: schedule, leases, lane, lane-state, stream  ARGV: lane, token, count, bytes
-- Returns {} when the lease was lost or nothing waits, else
-- {account, destination, attempts, log id, payload or '' when trimmed, log id, ...}:
-- as many as `count` and `bytes` allow, one at least.
-- include: lease
if not held(KEYS[2], ARGV[1], ARGV[2]) then
  return {}
end
local ids = redis.call('LRANGE', KEYS[3], 0, tonumber(ARGV[3]) - 1)
if #ids == 0 then
  -- Its account was deleted meanwhile.
  redis.call('DEL', KEYS[4])
  unschedule(KEYS[1], KEYS[2], ARGV[1])
  return {}
end
local state = redis.call('HMGET', KEYS[4], 'account', 'destination', 'attempts')
local reply = {state[1] or '', state[2] or '', state[3] or '0'}
local bytes = 0
for _, id in ipairs(ids) do
  local payload = ''
  local entry = redis.call('XRANGE', KEYS[5], id, id)[1]
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'p' then
      payload = entry[2][i + 1]
    end
  end
  bytes = bytes + #payload
  if #reply > 3 and bytes > tonumber(ARGV[4]) then
    break
  end
  reply[#reply + 1] = id
  reply[#reply + 1] = payload
end
return reply
