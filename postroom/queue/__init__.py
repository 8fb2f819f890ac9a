"""Leased work: at-least-once, recovered after kill -9, delayed, inspected (floor F1).

A queue is, per partition, a sorted set of items by due time and a hash of leases (the scripts
`claim`, `renew`, `release` and the include `_lease.lua`). Because it lives in the partition's
slot, an item is added, finished or failed in the same script that writes its record and its
event: nothing can be lost between the two. Items are names; what they stand for is the caller's.
"""
