"""What the demo tells a newcomer to try."""

from __future__ import annotations


def tour(url: str, account: str, token: str) -> str:
    """Three curl lines that can be pasted as they are, and where to look next."""
    header = f'-H "Authorization: Bearer {token}"'
    body = '{"to":[{"address":"me@example.com"}],"subject":"Hi","text":"It works."}'
    return f"""
Postroom's demo is up at {url}

It has a mailbox, connected as the account "{account}": three mails, kept in memory. Try:

  curl -s {header} \\
    "{url}/v1/account/{account}/messages?path=INBOX"

  curl -s {header} \\
    "{url}/v1/account/{account}/mailboxes?counters=true"

  curl -s {header} -H "Content-Type: application/json" \\
    -d '{body}' \\
    "{url}/v1/account/{account}/submit"

The mail of the third line comes back to this INBOX: list it again.
Every call can be tried in the browser, with the token above: {url}/admin/reference
Ctrl-C ends the demo; nothing of it is kept.

"""
