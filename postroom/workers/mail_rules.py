"""What the start-up options say about connections to mail servers, as the providers take it."""

from __future__ import annotations

from postroom.clock import Clock
from postroom.config.options import Options
from postroom.net.egress import EgressPolicy
from postroom.net.resolve import Resolver
from postroom.net.tls import TlsFloor
from postroom.providers.roads import MailRules


def mail_rules(options: Options, clock: Clock) -> MailRules:
    """The rules of this run."""
    silence_ms = options.imap_socket_timeout_ms
    return MailRules(
        floor=TlsFloor(options.tls_min_version, options.tls_min_dh_size, options.tls_ciphers),
        proxy_policy=EgressPolicy(options.webhook_egress_policy),
        silence_s=silence_ms / 1000 if silence_ms else None,
        compresses=not options.disable_compression,
        chunk_bytes=options.chunk_size_bytes,
        logs_raw=options.log_raw,
        resolver=Resolver(clock),
    )
