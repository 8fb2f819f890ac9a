"""Who may do what: tokens and access rules, as values and pure functions (floor F2).

Called by the faces (REST, SMTP, IMAP proxy, MCP). Nothing here opens a connection.
"""
