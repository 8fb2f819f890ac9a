-- Gives an item back for another try at due_ms. KEYS: schedule, leases, ARGV: item, token, due_ms
-- Returns 1, or 0 when the lease was lost meanwhile (then nothing changes).
-- include: lease
if not held(KEYS[2], ARGV[1], ARGV[2]) then
  return 0
end
reschedule(KEYS[1], KEYS[2], ARGV[1], ARGV[3])
return 1
