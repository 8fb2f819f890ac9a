"""Providers: one folder per kind of mail server, behind the Protocols of `interface.py` (floor F2).

A provider never imports another one, never writes events and never touches account state: it
reports what it saw to the `Recorder` that it is given by the `accounts` room.
"""
