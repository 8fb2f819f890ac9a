"""What the fork server imports once, so that all workers share its pages (decision 4)."""

from __future__ import annotations

from postroom.workers import api, imap, submit, webhooks

__all__ = ["api", "imap", "submit", "webhooks"]
