-- Counts a failed attempt at the head and lets the lane sleep until due_ms.
-- KEYS: schedule, leases, lane-state  ARGV: lane, token, due_ms
-- Returns 1, or 0 when the lease was lost (then nothing changes).
-- include: lease
if not held(KEYS[2], ARGV[1], ARGV[2]) then
  return 0
end
redis.call('HINCRBY', KEYS[3], 'attempts', 1)
reschedule(KEYS[1], KEYS[2], ARGV[1], ARGV[3])
return 1
