"""The command line: one file per command (floor F5; may call the supervisor).

Text for a person goes to standard error, the result to standard output, so that a script can use
it. Every command works while the product runs and while it does not (see `opened`).
"""
