"""One file per IMAP command: what is sent, what belongs to the answer, what it results in.

A command is a frozen dataclass; its generic type is its result. Fallbacks for servers without an
extension live inside the command where one line can replace another, and in `move.py` where
several lines are needed, so that callers never ask for capabilities.
"""

from postroom.imap.commands.append import Append, AppendAll, NewMessage, append_all
from postroom.imap.commands.authenticate import Authenticate
from postroom.imap.commands.capability import Capability
from postroom.imap.commands.check import Check
from postroom.imap.commands.close import Close, Unselect
from postroom.imap.commands.compress import Compress
from postroom.imap.commands.copy import Copy
from postroom.imap.commands.create import Create
from postroom.imap.commands.delete import Delete
from postroom.imap.commands.enable import Enable
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.expunge import Expunge
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.id import Id
from postroom.imap.commands.idle import Idle
from postroom.imap.commands.list import ListMailboxes
from postroom.imap.commands.listing import FlagListing, ListFlags
from postroom.imap.commands.login import Login
from postroom.imap.commands.logout import Logout
from postroom.imap.commands.move import Move, move
from postroom.imap.commands.namespace import Namespace
from postroom.imap.commands.noop import Noop
from postroom.imap.commands.notify import EventGroup, Notify
from postroom.imap.commands.part import FetchPart, fetch_part
from postroom.imap.commands.quota import GetQuota, GetQuotaRoot
from postroom.imap.commands.rename import Rename
from postroom.imap.commands.search import Find, Search
from postroom.imap.commands.select import Select
from postroom.imap.commands.sort import Sort
from postroom.imap.commands.starttls import StartTls
from postroom.imap.commands.status import Status
from postroom.imap.commands.store import Store
from postroom.imap.commands.subscribe import Subscribe, Unsubscribe
from postroom.imap.commands.thread import FindThreads

__all__ = [
    "Append",
    "AppendAll",
    "Authenticate",
    "Capability",
    "Check",
    "Close",
    "Command",
    "Compress",
    "Copy",
    "Create",
    "Delete",
    "Enable",
    "EventGroup",
    "Exchange",
    "Expunge",
    "Fetch",
    "Find",
    "GetQuota",
    "FetchPart",
    "FindThreads",
    "FlagListing",
    "GetQuotaRoot",
    "Id",
    "Idle",
    "ListFlags",
    "ListMailboxes",
    "Login",
    "Logout",
    "Move",
    "Namespace",
    "NewMessage",
    "Noop",
    "Notify",
    "Rename",
    "Search",
    "Select",
    "Sort",
    "StartTls",
    "Status",
    "Store",
    "Subscribe",
    "Unselect",
    "Unsubscribe",
    "append_all",
    "fetch_part",
    "move",
]
