"""The worker processes: wiring only (floor F5; the supervisor names them as text).

`boot` is what all kinds have in common; one file per kind builds the rooms it needs and runs them.
"""
