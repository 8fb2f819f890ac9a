"""Events: what can happen, how it is written down, and the log it is read from (floor F2).

`catalogue` says which events exist, `emit` prepares drafts for the script that writes the state
they are about, `log` reads them back. Higher rooms emit and consume; nothing is delivered here.
"""
