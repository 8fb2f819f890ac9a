-- Forgets a mailbox that is gone, with the events of it.
-- KEYS: owners, account, mailboxes, index, stream
-- ARGV: account, owner, events channel, path, event count, (id, type, payload)...
-- include: fence
-- include: append
fence(KEYS[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[4])
redis.call('UNLINK', KEYS[4])
append_all(KEYS[5], KEYS[2], ARGV[1], 6, tonumber(ARGV[5]), ARGV[3])
return 1
