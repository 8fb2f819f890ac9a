-- Notes the outcome of the last delivery of an existing account; not the owner's to write.
-- KEYS: account  ARGV: status JSON  Returns 1, or 0 when there is no such account.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'smtpStatus', ARGV[1])
return 1
