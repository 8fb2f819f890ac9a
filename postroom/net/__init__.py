"""The network room (floor F1): dialling, TLS, and the protocols driven over sockets.

The only room beside `rpc` and `supervisor` that opens sockets. Library errors become ours here.
"""
