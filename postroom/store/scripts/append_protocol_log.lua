-- Appends lines to an account's protocol log, and keeps the newest of them.
-- KEYS: account, protocol log
-- ARGV: most lines, seconds it lives after its last line, lines...
-- Returns 1; 0 when the account is gone. A batch that is sent again ends with the line that stands
-- last already, and is dropped.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('LINDEX', KEYS[2], -1) == ARGV[#ARGV] then
  return 1
end
for at = 3, #ARGV do
  redis.call('RPUSH', KEYS[2], ARGV[at])
end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[1]), -1)
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
