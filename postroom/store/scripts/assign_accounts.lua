-- Gives accounts of one partition to workers. The epoch is the partition's owners-version, which
-- only rises: an epoch is never used twice, not even after a release or a deletion.
-- KEYS: owners, owners-version, accounts
-- ARGV: worker channel prefix, (account, worker, owner token that was seen | '' | '*' for any)...
-- Returns the epochs in order; 0 for an account that is gone or has another owner than was seen.
-- include: tell
local reply, told = {}, {}
for at = 2, #ARGV, 3 do
  local account, worker, seen = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local owner = redis.call('HGET', KEYS[1], account) or ''
  if (seen ~= '*' and seen ~= owner) or not redis.call('ZSCORE', KEYS[3], account) then
    reply[#reply + 1] = 0
  else
    tell_owner(KEYS[1], account, ARGV[1])
    local epoch = redis.call('INCR', KEYS[2])
    redis.call('HSET', KEYS[1], account, worker .. ':' .. epoch)
    told[worker] = true
    reply[#reply + 1] = epoch
  end
end
for worker in pairs(told) do
  redis.call('PUBLISH', ARGV[1] .. worker, '1')
end
return reply
