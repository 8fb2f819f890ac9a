-- Makes every item that a dead holder leased due now; the lease entry stays, so that the next
-- claim knows that the item was stalled.
-- KEYS: schedule, leases  ARGV: holder prefix, now_ms  Returns how many there were.
local leases = redis.call('HGETALL', KEYS[2])
local count = 0
for i = 1, #leases, 2 do
  if string.sub(leases[i + 1], 1, #ARGV[1]) == ARGV[1] then
    redis.call('ZADD', KEYS[1], ARGV[2], leases[i])
    count = count + 1
  end
end
return count
