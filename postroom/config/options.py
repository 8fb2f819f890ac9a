"""Every start-up option, declared once: name, sources, kind, default, meaning (contract config.md).

The table is the class `Options`; each field carries its `Declaration`. Loading, `--help`, the
manual page and the tests all read this table. `seeds` names the runtime setting that the option
fills the first time (when the stored setting is empty); later changes go through the setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from postroom.config import kinds
from postroom.config.declaration import Declaration
from postroom.config.kinds import Kind
from postroom.config.tls import LISTENERS, ListenerTls, listener_declarations
from postroom.model.secret import Secret

_META = "declaration"
# Kinds whose values may carry a password and are not wrapped in a Secret.
_UNSHOWN = ("address", "JSON")
# How the manual and `--help` order the options.
SECTIONS = (
    "service",
    "store",
    "http",
    "access",
    "workers",
    "mail",
    "sending",
    "webhooks",
    "exports",
    "smtp server",
    "imap proxy",
    "tls",
    "logging",
    "features",
    "prepared",
    "single sign-on",
)


def _option(
    kind: Kind, default: Any, section: str, env: str = "", key: str | None = None, **more: Any
) -> Any:
    prose = more.pop("prose")
    made = Declaration("", kind, default, section, prose, tuple(env.split()), key, **more)
    return field(default=default, metadata={_META: made}, repr=kind.name not in _UNSHOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The start-up options of one run."""

    # fmt: off
    # service
    data_dir: str = _option(kinds.TEXT, "./data", "service", "EENGINE_DATA_DIR", "service.dataDir",
        prose="Directory of the embedded store and of everything else Postroom keeps on disk.")
    secret: Secret | None = _option(kinds.SECRET, None, "service", "EENGINE_SECRET",
        "service.secret",
        prose="Key that seals credentials in the store; unset keeps them in clear.")
    timeout_ms: int = _option(kinds.DURATION, 10_000, "service", "EENGINE_TIMEOUT",
        "service.commandTimeout", shown="10s",
        prose="Time limit of a call between components and of an API request; the header "
        "X-EE-Timeout overrides it for one request.")
    http_timeout_ms: int = _option(kinds.DURATION, 90_000, "service", "EENGINE_FETCH_TIMEOUT",
        has_file=False, shown="90s", prose="Time limit of one outgoing HTTP request.")
    http_proxy_enabled: bool | None = _option(kinds.BOOLEAN, None, "service",
        "EENGINE_HTTP_PROXY_ENABLED", has_file=False,
        prose="Send outgoing HTTP through a proxy; wins over the setting httpProxyEnabled.")
    http_proxy_url: str | None = _option(kinds.TEXT, None, "service", "EENGINE_HTTP_PROXY_URL",
        has_file=False, prose="Address of that proxy; wins over the setting httpProxyUrl.")
    beacon_disabled: bool = _option(kinds.BOOLEAN, False, "service", "EENGINE_BEACON_DISABLED",
        prose="Accepted for compatibility: Postroom has no usage beacon.")
    update_check_disabled: bool = _option(kinds.BOOLEAN, False, "service",
        "EENGINE_UPDATE_CHECK_DISABLED", prose="Do not look for newer releases.")

    # store
    redis_url: str | None = _option(kinds.STORE_URL, None, "store", "EENGINE_REDIS REDIS_URL",
        "dbs.redis", shown="embedded store in the data directory",
        prose="Redis or Valkey to use instead of the embedded store.")
    redis_prefix: str = _option(kinds.TEXT, "", "store", "EENGINE_REDIS_PREFIX", has_file=False,
        prose="Prefix of every key, followed by a colon.")

    # http
    host: str = _option(kinds.TEXT, "127.0.0.1", "http", "EENGINE_HOST API_HOST", "api.host",
        prose="Address the API listens on.")
    port: int = _option(kinds.PORT, 3000, "http", "EENGINE_PORT PORT API_PORT", "api.port",
        prose="Port the API listens on.")
    api_tls: bool = _option(kinds.BOOLEAN, False, "http", "EENGINE_API_TLS", "api.tls",
        prose="Serve HTTPS directly.")
    api_proxy: bool | None = _option(kinds.BOOLEAN, None, "http", "EENGINE_API_PROXY",
        "api.proxy", seeds="enableApiProxy",
        prose="Take the client address from X-Forwarded-For.")
    api_proxy_addresses: tuple[str, ...] = _option(kinds.LIST, (), "http",
        "EENGINE_API_PROXY_ADDRESSES",
        prose="Peers (IP or CIDR) that may set X-Forwarded-For.")
    cors_origin: tuple[str, ...] = _option(kinds.WORDS, (), "http", "EENGINE_CORS_ORIGIN",
        "cors.origin", prose="Origins that may call the API from a browser; * is any.")
    cors_max_age_s: int = _option(kinds.INTEGER, 60, "http", "EENGINE_CORS_MAX_AGE",
        "cors.maxAge", prose="Seconds a browser may remember the answer to a preflight.")
    max_size_bytes: int = _option(kinds.SIZE, 5 << 20, "http", "EENGINE_MAX_SIZE", "api.maxSize",
        shown="5M", prose="Largest attachment or text field in submit and upload.")
    max_body_bytes: int = _option(kinds.SIZE, 50 << 20, "http", "EENGINE_MAX_BODY_SIZE",
        "api.maxBodySize", shown="50M", prose="Largest request body of submit and upload.")
    max_payload_timeout_ms: int = _option(kinds.DURATION, 10_000, "http",
        "EENGINE_MAX_PAYLOAD_TIMEOUT", "api.maxPayloadTimeout", shown="10s",
        prose="Time within which such a body must arrive.")

    # access
    auth: Secret | None = _option(kinds.SECRET, None, "access", "EENGINE_AUTH", "api.auth",
        prose="user:pass that every HTTP request must present as Basic authentication.")
    require_api_auth: bool | None = _option(kinds.BOOLEAN, None, "access",
        "EENGINE_REQUIRE_API_AUTH", shown="unset: tokens are required",
        prose="false lets API calls without a token in.")
    admin_access_addresses: tuple[str, ...] = _option(kinds.LIST, (), "access",
        "EENGINE_ADMIN_ACCESS_ADDRESSES", shown="all",
        prose="Addresses (IP or CIDR) allowed on /admin.")
    enable_oauth_tokens_api: bool = _option(kinds.BOOLEAN, False, "access",
        "EENGINE_ENABLE_OAUTH_TOKENS_API", prose="Open the oauth-token endpoint.")
    token_log_entries: int = _option(kinds.INTEGER, 1000, "access", "EENGINE_TOKEN_LOG_ENTRIES",
        prose="Rows kept for each token in the audit trail.")
    token_log_age_s: int = _option(kinds.INTEGER, 604_800, "access", "EENGINE_TOKEN_LOG_AGE",
        prose="Seconds those rows live.")
    disable_setup_warnings: bool = _option(kinds.BOOLEAN, False, "access",
        "EENGINE_DISABLE_SETUP_WARNINGS", prose="Hide the notice about a missing admin password.")
    disable_message_browser: bool = _option(kinds.BOOLEAN, False, "access",
        "EENGINE_DISABLE_MESSAGE_BROWSER", prose="Hide the message browser page.")

    # workers
    workers: int = _option(kinds.COUNT, 4, "workers", "EENGINE_WORKERS", "workers.imap",
        prose="Account workers.")
    workers_api: int = _option(kinds.COUNT, 1, "workers", "EENGINE_WORKERS_API", "workers.api",
        prose="HTTP workers; they share the port.")
    workers_webhooks: int = _option(kinds.COUNT, 1, "workers", "EENGINE_WORKERS_WEBHOOKS",
        "workers.webhooks", prose="Webhook workers.")
    workers_submit: int = _option(kinds.COUNT, 1, "workers", "EENGINE_WORKERS_SUBMIT",
        "workers.submit", prose="Submit workers.")
    workers_export: int = _option(kinds.COUNT, 1, "workers", "EENGINE_WORKERS_EXPORT",
        "workers.export", prose="Export workers.")
    workers_imap_proxy: int = _option(kinds.COUNT, 1, "workers", "", "workers.imapProxy",
        prose="IMAP proxy workers.")
    notify_qc: int = _option(kinds.INTEGER, 1, "workers", "EENGINE_NOTIFY_QC", "queues.notify",
        prose="Webhook deliveries at once in each webhook worker.")
    submit_qc: int = _option(kinds.INTEGER, 1, "workers", "EENGINE_SUBMIT_QC", "queues.submit",
        prose="Submissions at once in each submit worker.")
    export_qc: int = _option(kinds.INTEGER, 1, "workers", "EENGINE_EXPORT_QC", "queues.export",
        prose="Exports at once in each export worker.")
    queue_remove_after: int = _option(kinds.INTEGER, 0, "workers", "EENGINE_QUEUE_REMOVE_AFTER",
        seeds="queueKeep", prose="Completed jobs to keep.")
    queue_keep_failed: int = _option(kinds.INTEGER, 500, "workers", "EENGINE_QUEUE_KEEP_FAILED",
        prose="Failed jobs to keep in each queue.")
    queue_keep_failed_age_s: int = _option(kinds.INTEGER, 604_800, "workers",
        "EENGINE_QUEUE_KEEP_FAILED_AGE", prose="Seconds failed jobs are kept.")

    # mail
    setup_delay_ms: int = _option(kinds.DURATION, 0, "mail", "EENGINE_CONNECTION_SETUP_DELAY",
        "service.setupDelay", prose="Pause between handing accounts to workers.")
    fetch_batch_size: int = _option(kinds.INTEGER, 1000, "mail", "EENGINE_FETCH_BATCH_SIZE",
        "service.fetchBatchSize",
        prose="Messages in the first FETCH range of a sync; quick answers make it grow.")
    local_addresses: tuple[str, ...] = _option(kinds.LIST, (), "mail", "EENGINE_ADDRESSES",
        "service.localAddresses", seeds="localAddresses",
        prose="Local addresses to connect from, each optionally address|hostname.")
    imap_socket_timeout_ms: int | None = _option(kinds.DURATION, None, "mail",
        "EENGINE_IMAP_SOCKET_TIMEOUT", prose="How long an IMAP connection may be silent.")
    max_imap_auth_failure_ms: int = _option(kinds.DURATION, 259_200_000, "mail",
        "EENGINE_MAX_IMAP_AUTH_FAILURE_TIME", shown="3d",
        prose="Age of the first refused login after which IMAP is switched off for the account.")
    disable_compression: bool = _option(kinds.BOOLEAN, False, "mail",
        "EENGINE_DISABLE_COMPRESSION", prose="Do not use COMPRESS on IMAP connections.")
    chunk_size_bytes: int = _option(kinds.SIZE, 1_000_000, "mail", "EENGINE_CHUNK_SIZE",
        prose="Bytes fetched at once of a download.")
    gmail_poll_ms: int = _option(kinds.DURATION, 600_000, "mail",
        "EENGINE_GMAIL_FALLBACK_POLL_INTERVAL", shown="10m",
        prose="Poll interval of Gmail API accounts.")
    disable_thread_collapse: bool = _option(kinds.BOOLEAN, False, "mail",
        "EENGINE_DISABLE_THREAD_COLLAPSE",
        prose="Do not fold quoted history in web-safe HTML.")

    # sending
    submit_delay_ms: int | None = _option(kinds.DURATION, None, "sending",
        "EENGINE_SUBMIT_DELAY", "submitDelay",
        prose="Shortest time between two submissions of a worker; 1s is one message a second.")

    # webhooks
    webhook_timeout_ms: int = _option(kinds.DURATION, 30_000, "webhooks",
        "EENGINE_WEBHOOK_TIMEOUT", shown="30s", prose="Time limit of one webhook attempt.")
    webhook_egress_policy: str = _option(kinds.EGRESS, "link-local", "webhooks",
        "EENGINE_WEBHOOK_EGRESS_POLICY",
        prose="Webhook targets that are refused: link-local, private (link-local too) or off.")

    # exports
    export_path: str | None = _option(kinds.TEXT, None, "exports", "EENGINE_EXPORT_PATH",
        has_file=False, shown="the system's temporary directory",
        prose="Directory of export files.")
    export_max_age_ms: int = _option(kinds.DURATION, 86_400_000, "exports",
        "EENGINE_EXPORT_MAX_AGE", has_file=False, shown="24h",
        prose="How long export files are kept.")
    export_timeout_ms: int = _option(kinds.DURATION, 300_000, "exports",
        "EENGINE_EXPORT_TIMEOUT", shown="5m", prose="Time limit of one export operation.")

    # smtp server
    smtp_enabled: bool = _option(kinds.BOOLEAN, False, "smtp server", "EENGINE_SMTP_ENABLED",
        "smtp.enabled", seeds="smtpServerEnabled", prose="Run the SMTP server.")
    smtp_host: str = _option(kinds.TEXT, "127.0.0.1", "smtp server", "EENGINE_SMTP_HOST",
        "smtp.host", seeds="smtpServerHost", prose="Address it listens on.")
    smtp_port: int = _option(kinds.PORT, 2525, "smtp server", "EENGINE_SMTP_PORT",
        "smtp.port", seeds="smtpServerPort", prose="Port it listens on.")
    smtp_secret: Secret | None = _option(kinds.SECRET, None, "smtp server",
        "EENGINE_SMTP_SECRET", "smtp.secret", seeds="smtpServerPassword",
        prose="Password that every account may use on it.")
    smtp_proxy: bool = _option(kinds.BOOLEAN, False, "smtp server", "EENGINE_SMTP_PROXY",
        "smtp.proxy", seeds="smtpServerProxy", prose="Expect the PROXY protocol.")
    smtp_max_message_bytes: int = _option(kinds.SIZE, 25 << 20, "smtp server",
        "EENGINE_MAX_SMTP_MESSAGE_SIZE", "smtp.maxMessageSize", shown="25M",
        prose="Largest message the SMTP server takes.")

    # imap proxy
    imap_proxy_enabled: bool = _option(kinds.BOOLEAN, False, "imap proxy",
        "EENGINE_IMAP_PROXY_ENABLED", "imap-proxy.enabled", seeds="imapProxyServerEnabled",
        prose="Run the IMAP proxy.")
    imap_proxy_host: str = _option(kinds.TEXT, "127.0.0.1", "imap proxy",
        "EENGINE_IMAP_PROXY_HOST", "imap-proxy.host", seeds="imapProxyServerHost",
        prose="Address it listens on.")
    imap_proxy_port: int = _option(kinds.PORT, 2993, "imap proxy", "EENGINE_IMAP_PROXY_PORT",
        "imap-proxy.port", seeds="imapProxyServerPort", prose="Port it listens on.")
    imap_proxy_secret: Secret | None = _option(kinds.SECRET, None, "imap proxy",
        "EENGINE_IMAP_PROXY_SECRET", "imap-proxy.secret", seeds="imapProxyServerPassword",
        prose="Password that every account may use on it.")
    imap_proxy_proxy: bool = _option(kinds.BOOLEAN, False, "imap proxy",
        "EENGINE_IMAP_PROXY_PROXY", "imap-proxy.proxy", seeds="imapProxyServerProxy",
        prose="Expect the PROXY protocol.")

    # tls
    tls_min_version: str = _option(kinds.TLS_VERSION, "TLSv1", "tls",
        "EENGINE_TLS_MIN_VERSION", has_file=False, prose="Lowest TLS version towards mail servers.")
    tls_min_dh_size: int = _option(kinds.INTEGER, 1024, "tls", "EENGINE_TLS_MIN_DH_SIZE",
        has_file=False, prose="Smallest Diffie-Hellman group towards mail servers, in bits.")
    tls_ciphers: str = _option(kinds.CIPHERS, "DEFAULT@SECLEVEL=0", "tls",
        "EENGINE_TLS_CIPHERS", has_file=False, prose="Cipher list towards mail servers.")

    # logging
    log_level: str | None = _option(kinds.LOG_LEVEL, None, "logging",
        "EENGINE_LOG_LEVEL LOG_LEVEL", "log.level", shown="trace; info on a terminal",
        prose="Least important lines to write.")
    log_raw: bool = _option(kinds.BOOLEAN, False, "logging", "EENGINE_LOG_RAW", "log.raw",
        prose="Log raw mail protocol bytes, credentials included.")
    sentry_dsn: str | None = _option(kinds.TEXT, None, "logging", "SENTRY_DSN",
        seeds="sentryDsn", prose="Where crash reports go.")

    # features
    mcp_enabled: bool = _option(kinds.BOOLEAN, True, "features", "EENGINE_MCP_ENABLED",
        "mcp.enabled", prose="Register the MCP routes at all.")
    document_store_enabled: bool = _option(kinds.BOOLEAN, False, "features",
        "EENGINE_DOCUMENT_STORE_ENABLED", "documentStore.enabled",
        prose="The old Elasticsearch feature; deprecated.")

    # prepared
    prepared_settings: dict[str, Any] | None = _option(kinds.JSON_OBJECT, None, "prepared",
        "EENGINE_SETTINGS", "settings",
        prose="Runtime settings to store at each start, as POST /v1/settings takes them.")
    prepared_token: Secret | None = _option(kinds.SECRET, None, "prepared",
        "EENGINE_PREPARED_TOKEN", "preparedToken",
        prose="Token to import at each start, as `postroom tokens export` prints it.")
    prepared_password: Secret | None = _option(kinds.SECRET, None, "prepared",
        "EENGINE_PREPARED_PASSWORD", "preparedPassword",
        prose="Admin password hash, as `postroom password --hash` prints it.")
    prepared_license: Secret | None = _option(kinds.SECRET, None, "prepared",
        "EENGINE_PREPARED_LICENSE", "preparedLicense",
        prose="Accepted for compatibility: Postroom needs no licence key.")

    # single sign-on
    okta_issuer: str | None = _option(kinds.TEXT, None, "single sign-on",
        "OKTA_OAUTH2_ISSUER", prose="Okta sign-in: issuer; all three switch it on.")
    okta_client_id: str | None = _option(kinds.TEXT, None, "single sign-on",
        "OKTA_OAUTH2_CLIENT_ID", prose="Okta sign-in: client id.")
    okta_client_secret: Secret | None = _option(kinds.SECRET, None, "single sign-on",
        "OKTA_OAUTH2_CLIENT_SECRET", prose="Okta sign-in: client secret.")
    oidc_issuer: str | None = _option(kinds.TEXT, None, "single sign-on",
        "OIDC_ISSUER", prose="OpenID Connect: issuer; issuer, id and secret switch it on.")
    oidc_client_id: str | None = _option(kinds.TEXT, None, "single sign-on",
        "OIDC_CLIENT_ID", prose="OpenID Connect: client id.")
    oidc_client_secret: Secret | None = _option(kinds.SECRET, None, "single sign-on",
        "OIDC_CLIENT_SECRET", prose="OpenID Connect: client secret.")
    oidc_provider_name: str = _option(kinds.TEXT, "SSO", "single sign-on",
        "OIDC_PROVIDER_NAME", prose="Label of the sign-in button.")
    oidc_scopes: tuple[str, ...] = _option(kinds.WORDS, ("openid", "profile", "email"),
        "single sign-on", "OIDC_SCOPES", prose="Scopes to ask for; openid is always added.")
    oidc_allowed_users: tuple[str, ...] = _option(kinds.LIST, (), "single sign-on",
        "OIDC_ALLOWED_USERS", prose="Addresses or @domains let in; empty lets all in.")
    oidc_allowed_groups: tuple[str, ...] = _option(kinds.LIST, (), "single sign-on",
        "OIDC_ALLOWED_GROUPS", prose="Groups let in; a matching user or group suffices.")
    oidc_groups_claim: str = _option(kinds.TEXT, "groups", "single sign-on",
        "OIDC_GROUPS_CLAIM", prose="The (dotted) claim that holds the groups.")
    oidc_forced: bool = _option(kinds.BOOLEAN, False, "single sign-on", "OIDC_FORCED",
        prose="The login page goes straight to the provider.")
    oidc_logout: bool = _option(kinds.BOOLEAN, False, "single sign-on", "OIDC_LOGOUT",
        prose="Signing out ends the provider's session too.")
    oidc_post_logout_redirect_uri: str | None = _option(kinds.TEXT, None, "single sign-on",
        "OIDC_POST_LOGOUT_REDIRECT_URI", prose="Where the provider returns to after that.")
    # fmt: on

    # The certificates of our own listeners; declared in config/tls.py, one set each.
    api_listener: ListenerTls = ListenerTls()
    smtp_listener: ListenerTls = ListenerTls()
    imap_proxy_listener: ListenerTls = ListenerTls()


def declarations() -> Iterator[Declaration]:
    """Every option, in the order of the class."""
    for item in fields(Options):
        made = item.metadata.get(_META)
        if made is not None:
            yield replace(made, name=item.name)
    for listener in LISTENERS:
        yield from listener_declarations(listener)
