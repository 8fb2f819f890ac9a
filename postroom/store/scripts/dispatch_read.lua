-- The next entries of an event log that are not on their lanes yet.
-- KEYS: stream, dispatched  ARGV: count, 1 to have the payloads too
-- Returns {dispatched, log id, account, event, payload or '', log id, account, ...}
local cursor = redis.call('GET', KEYS[2]) or '0-0'
local entries = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', ARGV[1])
local reply = {cursor}
for _, entry in ipairs(entries) do
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = fields.a or ''
  reply[#reply + 1] = fields.e or ''
  reply[#reply + 1] = ARGV[2] == '1' and fields.p or ''
end
return reply
