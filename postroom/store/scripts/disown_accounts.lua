-- Gives accounts of one partition back. KEYS: owners, owners-version
-- ARGV: assign channel, (account, owner)...  Returns how many were still the owner's.
local count = 0
for at = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1] then
    redis.call('HDEL', KEYS[1], ARGV[at])
    count = count + 1
  end
end
if count > 0 then
  redis.call('INCR', KEYS[2])
  redis.call('PUBLISH', ARGV[1], '1')
end
return count
