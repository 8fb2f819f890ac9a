"""The IMAP provider: watching and answering over `net.imap` (floor F2; accounts calls it).

Watching: `connect` opens a connection, `listing` reads the tree, `rounds` decides which mailboxes
to look at, `sync` brings one mailbox's index up to date, `watch` keeps the connection alive.
Between rounds `hearing` waits for news of the selected mailbox, `hints` are news of the others, and
`subconnections` listen on mailboxes that the account names. `index` and `diff` are pure.
Answering uses connections of its own, so that reading never disturbs watching.
"""
