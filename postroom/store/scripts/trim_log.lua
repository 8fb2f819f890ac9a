-- Removes the oldest entries of an event log beyond `keep`, at most `limit` of them a call, and
-- never the entry `needed` (a log id; '' for none) or a later one.
-- KEYS: stream  ARGV: keep, needed, limit  Returns how many were removed.
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function is_before(one, other)
  local ms, seq = parts(one)
  local other_ms, other_seq = parts(other)
  return ms < other_ms or (ms == other_ms and seq < other_seq)
end

local excess = redis.call('XLEN', KEYS[1]) - tonumber(ARGV[1])
if excess <= 0 then
  return 0
end
local count = math.min(excess, tonumber(ARGV[3]))
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', count)
local removed = 0
for _, entry in ipairs(entries) do
  if ARGV[2] ~= '' and not is_before(entry[1], ARGV[2]) then
    break
  end
  redis.call('XDEL', KEYS[1], entry[1])
  removed = removed + 1
end
return removed
