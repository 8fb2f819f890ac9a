-- One step of sync: the cursor, the changed index blocks, the Message-IDs seen, what is remembered
-- of moves and the events, all or nothing (invariant I15). An empty block removes the block, an
-- empty note the note.
-- Steps of a mailbox follow one another (`step` of the cursor): one that comes twice, because the
-- reply to its first run was lost, is done already; one that comes late, when others read the
-- state before it and wrote on, is refused. Else either would announce a message twice.
-- KEYS: owners, account, mailboxes, index, seen, stream, moves, moves-order [, index to drop]
-- ARGV: account, owner, events channel, path, cursor, most sights kept,
--       block count, (number, bytes)..., sight count, hash..., most notes kept,
--       note count, (field, value)..., event count, (id, type, payload)...
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
if KEYS[9] then
  redis.call('UNLINK', KEYS[9])
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
local notes = tonumber(ARGV[at + 1])
if notes > 0 then
  local newest = redis.call('ZRANGE', KEYS[8], -1, -1, 'WITHSCORES')
  local order = tonumber(newest[2] or '0')
  for i = 1, notes do
    local name, value = ARGV[at + 2 * i], ARGV[at + 2 * i + 1]
    if value == '' then
      redis.call('HDEL', KEYS[7], name)
      redis.call('ZREM', KEYS[8], name)
    else
      redis.call('HSET', KEYS[7], name, value)
      redis.call('ZADD', KEYS[8], order + i, name)
    end
  end
  local over = redis.call('ZCARD', KEYS[8]) - tonumber(ARGV[at])
  for _, name in ipairs(over > 0 and redis.call('ZRANGE', KEYS[8], 0, over - 1) or {}) do
    redis.call('HDEL', KEYS[7], name)
    redis.call('ZREM', KEYS[8], name)
  end
end
at = at + 2 * notes + 2
append_all(KEYS[6], KEYS[2], account, at + 1, tonumber(ARGV[at]), ARGV[3])
return 1
