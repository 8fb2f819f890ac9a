"""The sans-IO IMAP room (floor F0): bytes in, values out; no sockets, no clock, no threads.

The way in: `framing` cuts the byte stream into complete responses, `tokens` turns one response
into nested lists, `responses` (with `fetch`, `data` and, for what is broken, `salvage`) reads those
into the values of `types`, `client` hands them to the running command. The way out: a command of
`commands/` (one file each) writes itself with `encode`. `server` is the same road in the other
direction, `server_login` its part before login. Everything here is total: any bytes give a value
or a `ProtocolViolation`, in linear time (invariants I12, I28). `net.imap` drives it over asyncio.
"""
