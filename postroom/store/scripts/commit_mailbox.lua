-- One step of sync: the cursor, the changed index blocks, the Message-IDs seen and the events,
-- all or nothing (invariant I15). An empty block removes the block.
-- Steps of a mailbox follow one another (`step` of the cursor): one that comes twice, because the
-- reply to its first run was lost, is done already; one that comes late, when others read the
-- state before it and wrote on, is refused. Else either would announce a message twice.
-- KEYS: owners, account, mailboxes, index, seen, stream [, index to drop]
-- ARGV: account, owner, events channel, path, cursor, most sights kept,
--       block count, (number, bytes)..., sight count, hash..., event count, (id, type, payload)...
-- include: fence
-- include: append
local account = ARGV[1]
fence(KEYS[1], account, ARGV[2])
local before = redis.call('HGET', KEYS[3], ARGV[4])
local step = cjson.decode(ARGV[5]).step
if step then
  local last = before and cjson.decode(before).step or '0'
  if step == last then
    return 1
  end
  if tonumber(string.match(step, '^%d+')) ~= string.match(last, '^%d+') + 1 then
    error({err = 'STALE the mailbox was changed meanwhile'})
  end
end
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
if KEYS[7] then
  redis.call('UNLINK', KEYS[7])
end
local at = 8
for _ = 1, tonumber(ARGV[7]) do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[4], ARGV[at])
  else
    redis.call('HSET', KEYS[4], ARGV[at], ARGV[at + 1])
  end
  at = at + 2
end
local sights = tonumber(ARGV[at])
if sights > 0 then
  local newest = redis.call('ZRANGE', KEYS[5], -1, -1, 'WITHSCORES')
  local order = tonumber(newest[2] or '0')
  for i = 1, sights do
    redis.call('ZADD', KEYS[5], 'NX', order + i, ARGV[at + i])
  end
  redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -tonumber(ARGV[6]) - 1)
end
at = at + sights + 1
append_all(KEYS[6], KEYS[2], account, at + 1, tonumber(ARGV[at]), ARGV[3])
return 1
