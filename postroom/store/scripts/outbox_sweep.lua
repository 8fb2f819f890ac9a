-- Forgets old failed messages of a partition.
-- KEYS: failed  ARGV: record_prefix, set_prefix, forget_before_ms, keep  Returns how many were old.
-- include: sweep
return sweep(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
