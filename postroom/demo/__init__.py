"""A small mail server on loopback for `make demo` and for tests: a person without any mail
account sees the product work (floor F2: built on `imap` alone, called by `cli` and by tests).
"""
