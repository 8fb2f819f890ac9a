"""Start-up configuration: read once, typed, then handed down (floor F1; workers, supervisor, cli).

`options` declares every option once, `kinds` turns text into values, `load` merges the sources,
`reference` writes the manual from the table. The only room that reads environment variables.
Rooms below `workers` never see `Options`: they take the single values they need.
"""
