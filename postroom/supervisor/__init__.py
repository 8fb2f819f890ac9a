"""The supervisor: starts, watches, restarts and stops everything (floor F5; cli calls it).

It is boring on purpose and never in the data path: it spawns the embedded store and the workers,
looks at their beats, assigns accounts while it holds the coordinator lock, and brings all down in
order. What the workers do is named in `kinds` as text, so the supervisor imports none of it.
"""
