"""The few mails that the demo account begins with."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from postroom.clock import Clock, iso

WELCOME_TEXT = """Hello,

this mailbox lives in memory, next to the Postroom you just started. Everything you do to it over
the REST interface is real IMAP and SMTP underneath.

Send a mail to anybody: this little server brings every mail back to this INBOX.
"""

WELCOME_HTML = """<h1>Hello</h1>
<p>this mailbox lives <em>in memory</em>, next to the Postroom you just started. Everything you do
to it over the REST interface is real IMAP and SMTP underneath.</p>
<p>Send a mail to anybody: this little server brings every mail back to this INBOX.</p>
"""

INVOICE_TEXT = "Please find the invoice for November attached.\n"
INVOICE_CSV = b"item,amount\r\npostage,12.50\r\nenvelopes,4.20\r\n"

QUESTION_TEXT = "Shall we meet on Thursday at ten?\n"


def first_mails(address: str, clock: Clock) -> list[bytes]:
    """Three messages to `address`, oldest first."""
    return [_welcome(address, clock), _invoice(address, clock), _question(address, clock)]


def _begun(address: str, sender: str, subject: str, clock: Clock, hours: int) -> EmailMessage:
    then = datetime.fromisoformat(iso(clock.now_ms() - hours * 3_600_000))
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = address
    mail["Subject"] = subject
    mail["Date"] = format_datetime(then)
    mail["Message-ID"] = f"<{clock.now_ms()}.{hours}@demo.example>"
    return mail


def _welcome(address: str, clock: Clock) -> bytes:
    mail = _begun(address, "Postroom <hello@demo.example>", "Welcome to Postroom", clock, 48)
    mail.set_content(WELCOME_TEXT)
    mail.add_alternative(WELCOME_HTML, subtype="html")
    return bytes(mail)


def _invoice(address: str, clock: Clock) -> bytes:
    mail = _begun(address, "Carl Clerk <carl@demo.example>", "Invoice for November", clock, 5)
    mail.set_content(INVOICE_TEXT)
    mail.add_attachment(INVOICE_CSV, maintype="text", subtype="csv", filename="invoice.csv")
    return bytes(mail)


def _question(address: str, clock: Clock) -> bytes:
    mail = _begun(address, "Ann Archer <ann@demo.example>", "Meeting on Thursday?", clock, 1)
    mail.set_content(QUESTION_TEXT)
    return bytes(mail)
