-- Counts that a message is being read (1), or that the reading came to an end (-1): what is left
-- over are readings that their worker did not survive (invariant I13).
-- KEYS: owners, trials  ARGV: account, owner, 1 or -1, (folder number:uid)...
-- include: fence
fence(KEYS[1], ARGV[1], ARGV[2])
for i = 4, #ARGV do
  if redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[3]) <= 0 then
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
return 1
