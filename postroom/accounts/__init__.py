"""Accounts at work: who watches them, what their states are, how they answer (floor F3).

`runner` holds the accounts that this worker owns and one watcher task each; `recorder` writes what
a watcher reports, state and events in one script; `states` is the table of account states;
`arrivals` looks at new messages; `dispatch` and `gateway` carry operations to the owner.
Workers wire it; api, submit, webhooks and export ask through the gateway.
"""
