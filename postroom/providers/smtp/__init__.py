"""Sending by the account's own SMTP server: the `Sending` power, stateless but for a small pool."""
