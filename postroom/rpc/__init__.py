"""Calls from one of our processes to another (floor F1; `accounts.gateway` and `workers` call it).

HTTP/1.1 over the worker's Unix socket: `server` answers, `client` asks, `faults` carries our errors
across without loss, `wire` names what both ends must agree on. The bodies pass through untouched:
MessagePack in, JSON bytes or a stream out.
"""
