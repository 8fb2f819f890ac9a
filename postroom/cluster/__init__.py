"""The cluster: which processes are alive and which worker holds which account (floor F1).

`members` is the register of live processes, `owners` who holds what, `assign` the pure decision,
`coordinator` the one loop that applies it. One node is the smallest cluster; nothing here knows
how many there are. Nothing here talks to an account or a worker but through the store.
"""
