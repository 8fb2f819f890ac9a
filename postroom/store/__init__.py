"""The store: everything durable, over the Redis protocol (floor F1; any higher room may call it).

`connection` talks to the server, `keys` declares every key, `scripts/` holds the atomic writes,
`wake` tells other processes that there is something to do; one further file per noun.
"""
