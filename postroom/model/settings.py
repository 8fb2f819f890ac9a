"""Every runtime setting, declared once: name, schema, default, meaning (contract settings.json).

The REST interface validates and documents settings from this table, the store seals by it, the
manual is checked against it. `schema` is the JSON Schema of the published interface with its
extra words: `x-uri-schemes`, `x-trim`, `x-cidr`, `x-single-value-accepted`. Internal settings
have no schema and are out of reach of the interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]

# 2 MiB of text in messageNew, as a first start has it.
_NOTIFY_TEXT_BYTES = 2 * 1024 * 1024
_TEMPLATE_MAX = 1_048_576
_SCRIPT_MAX = 524_288

_BOOLEAN: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_PORT: Schema = {"type": "integer", "minimum": 0, "maximum": 65535}
_ADDRESS: Schema = {"type": "string", "format": "ip", "x-cidr": "forbidden"}
_PASSWORD: Schema = {"type": "string", "nullable": True, "maxLength": 1024}
_NAME: Schema = {"type": "string", "maxLength": 1024}
_NAMES: Schema = {"type": "array", "items": {"type": "string", "maxLength": 256}}
_STRATEGY: Schema = {"type": "string", "enum": ["default", "dedicated", "random"]}
_TEMPLATE: Schema = {"type": "string", "maxLength": _TEMPLATE_MAX, "x-trim": True}


def _url(*schemes: str, nullable: bool = False) -> Schema:
    extra = {"nullable": True} if nullable else {}
    return {"type": "string", **extra, "format": "uri", "x-uri-schemes": list(schemes)}


def _between(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


_WEB = _url("http", "https")
_PROXY = _url("http", "https", "socks", "socks4", "socks4a", "socks5")


@dataclass(frozen=True, slots=True)
class Setting:
    """One runtime setting; `default` is what a reader gets while nothing is stored."""

    name: str
    schema: Schema = field(default_factory=dict)
    default: Any = None
    meaning: str = ""
    is_secret: bool = False
    is_public: bool = True

    @property
    def is_nullable(self) -> bool:
        """Whether null clears the setting."""
        return bool(self.schema.get("nullable", False))


def _public() -> tuple[Setting, ...]:
    return (
        *_WEBHOOKS,
        *_MESSAGES,
        *_SERVICE,
        *_CONNECTIONS,
        *_SERVERS,
        *_SENDING,
        *_PAGES,
        *_LANGUAGE_MODEL,
        *_EXPORTS,
    )


_WEBHOOKS = (
    Setting("webhooksEnabled", _BOOLEAN, None, "Whether webhooks are delivered at all."),
    Setting("webhooks", _WEB, None, "Where events go; a login in the URL becomes Basic auth."),
    Setting("webhookEvents", _NAMES, None, 'Names of the events that are sent; "*" is all.'),
    Setting(
        "webhooksCustomHeaders",
        {"type": "array", "items": {"$ref": "#/components/schemas/WebhooksCustomHeader"}},
        None,
        "Request headers added to each delivery to the default target.",
    ),
    Setting("inboxNewOnly", _BOOLEAN, False, "Announce new messages of the Inbox only."),
)

_MESSAGES = (
    Setting("notifyHeaders", _NAMES, None, 'Headers that messageNew carries; "*" is all.'),
    Setting("notifyText", _BOOLEAN, True, "Whether messageNew carries the message text."),
    Setting("notifyWebSafeHtml", _BOOLEAN, False, "Clean the HTML of that text for display."),
    Setting("notifyTextSize", _COUNT, _NOTIFY_TEXT_BYTES, "Most bytes of that text."),
    Setting("notifyAttachments", _BOOLEAN, False, "Whether messageNew carries attachments."),
    Setting("notifyAttachmentSize", _COUNT, None, "Most bytes of one such attachment."),
    Setting("notifyCalendarEvents", _BOOLEAN, False, "Whether it carries parsed invitations."),
    Setting("resolveGmailCategories", _BOOLEAN, False, "Find the Gmail inbox tab over IMAP."),
    Setting("notifyMoved", _BOOLEAN, False, "Tell moves of messages (messageMoved) as well."),
    Setting(
        "imapIndexer",
        {"type": "string", "enum": ["full", "fast"], "x-trim": True},
        "full",
        "How mailboxes of accounts added from now on are indexed.",
    ),
)

_SERVICE = (
    Setting("serviceUrl", _WEB, None, "The public origin of this service, base of its links."),
    Setting(
        "notificationBaseUrl",
        _url("http", "https", nullable=True),
        None,
        "Another public origin, for change notices of Microsoft Graph.",
    ),
    Setting(
        "serviceSecret", _TEXT, None, "Key that signs webhooks and public links.", is_secret=True
    ),
    Setting("authServer", _WEB, None, "URL that is asked for the credentials of accounts."),
    Setting("tokenAuditLog", _BOOLEAN, False, "Keep a trail of the requests of each token."),
    Setting("enableApiProxy", _BOOLEAN, True, "Believe the proxy header with the client address."),
    Setting("mcpEnabled", _BOOLEAN, False, "Serve the MCP endpoint."),
    Setting("mcpOAuthEnabled", _BOOLEAN, False, "Let MCP clients sign in by OAuth."),
    Setting("sentryEnabled", _BOOLEAN, None, "Send crash reports."),
    Setting("sentryDsn", _url("http", "https", nullable=True), None, "Where crash reports go."),
    Setting("queueKeep", _COUNT, 0, "How many finished jobs a queue keeps."),
    Setting(
        "logs",
        {
            "type": "object",
            "properties": {
                "all": {"type": "boolean", "default": False},
                "maxLogLines": {
                    "type": "integer",
                    "default": 10000,
                    "minimum": 0,
                    "maximum": 1000000,
                },
            },
        },
        {"all": False, "maxLogLines": 10000},
        "Protocol logs: of every account or of chosen ones, and their length.",
    ),
    Setting("scriptEnv", _TEMPLATE, None, "JSON object that webhook scripts see as env."),
)

_CONNECTIONS = (
    Setting("ignoreMailCertErrors", _BOOLEAN, False, "Accept wrong certificates of servers."),
    Setting("proxyEnabled", _BOOLEAN, False, "Reach mail servers through the proxy."),
    Setting("proxyUrl", _PROXY, None, "Proxy for mail connections."),
    Setting("httpProxyEnabled", _BOOLEAN, False, "Send HTTP requests through the proxy."),
    Setting("httpProxyUrl", _PROXY, None, "Proxy for HTTP requests."),
    Setting("imapStrategy", _STRATEGY, "default", "Choice of the local address for IMAP."),
    Setting("smtpStrategy", _STRATEGY, "default", "Choice of the local address for SMTP."),
    Setting(
        "localAddresses",
        {"type": "array", "x-single-value-accepted": True, "items": _ADDRESS},
        [],
        "Local addresses to choose from.",
    ),
    Setting("imapClientName", _NAME, None, "The name that the IMAP ID command gives."),
    Setting("imapClientVersion", _NAME, None, "The version that it gives."),
    Setting("imapClientVendor", _NAME, None, "The vendor that it gives."),
    Setting("imapClientSupportUrl", _url("http", "https", "mailto"), None, "The support address."),
    Setting(
        "gmailSubscriptionTtl", _between(0, 365), None, "Days that a Pub/Sub subscription lives."
    ),
)

_SERVERS = (
    Setting("smtpServerEnabled", _BOOLEAN, False, "Run the SMTP server."),
    Setting("smtpServerPort", _PORT, 2525, "Port of the SMTP server."),
    Setting("smtpServerHost", _ADDRESS, "127.0.0.1", "Address of the SMTP server."),
    Setting("smtpServerProxy", _BOOLEAN, False, "Expect PROXY protocol on the SMTP server."),
    Setting("smtpServerAuthEnabled", _BOOLEAN, True, "Demand a login on the SMTP server."),
    Setting(
        "smtpServerPassword", _PASSWORD, None, "One password for every account.", is_secret=True
    ),
    Setting("smtpServerTLSEnabled", _BOOLEAN, False, "TLS from the start on its port."),
    Setting("imapProxyServerEnabled", _BOOLEAN, False, "Run the IMAP proxy."),
    Setting("imapProxyServerPort", _PORT, 2993, "Port of the IMAP proxy."),
    Setting("imapProxyServerHost", _ADDRESS, "127.0.0.1", "Address of the IMAP proxy."),
    Setting("imapProxyServerProxy", _BOOLEAN, False, "Expect PROXY protocol on the IMAP proxy."),
    Setting(
        "imapProxyServerPassword",
        _PASSWORD,
        None,
        "One password for every account.",
        is_secret=True,
    ),
    Setting("imapProxyServerTLSEnabled", _BOOLEAN, False, "TLS from the start on its port."),
)

_SENDING = (
    Setting("trackClicks", _BOOLEAN, None, "Track clicks unless a submission says otherwise."),
    Setting("trackOpens", _BOOLEAN, None, "Track opens unless a submission says otherwise."),
    Setting("deliveryAttempts", _COUNT, 10, "Attempts before a message is given up."),
    Setting(
        "smtpEhloName",
        {"type": "string", "nullable": True, "format": "hostname"},
        None,
        "Host name that EHLO gives.",
    ),
)

_PAGES = (
    Setting("templateHeader", _TEMPLATE, None, "HTML at the top of public pages."),
    Setting("templateHtmlHead", _TEMPLATE, None, "HTML in the head of public pages."),
    Setting("pageBrandName", _PASSWORD, None, "Name that page titles show."),
    Setting(
        "locale",
        {
            "type": "string",
            "enum": ["en", "et", "fr", "de", "pl", "ja", "nl"],
            "maxLength": 100,
        },
        None,
        "Language of public pages and quoted replies.",
    ),
    Setting("timezone", {"type": "string", "maxLength": 100}, None, "IANA time zone of dates."),
)

_LANGUAGE_MODEL = (
    Setting("generateEmailSummary", _BOOLEAN, False, "Have new Inbox messages summarised."),
    Setting("openAiAPIKey", _TEXT, None, "Key of the language model service.", is_secret=True),
    Setting("openAiModel", _TEXT, None, "Name of the model."),
    Setting("openAiAPIUrl", _WEB, None, "Base URL of another compatible service."),
    Setting(
        "openAiTemperature", {"type": "number", "minimum": 0, "maximum": 2}, None, "Temperature."
    ),
    Setting("openAiTopP", {"type": "number", "minimum": 0, "maximum": 1}, None, "Top-p value."),
    Setting("openAiMaxTokens", {"type": "number", "minimum": 0}, None, "Most tokens of input."),
    Setting(
        "openAiPrompt",
        {"type": "string", "maxLength": _TEMPLATE_MAX},
        None,
        "Prompt in place of the built-in one.",
    ),
    Setting("openAiGenerateEmbeddings", _BOOLEAN, False, "Compute embeddings of new messages."),
    Setting(
        "openAiPreProcessingFn",
        {"type": "string", "maxLength": _SCRIPT_MAX},
        None,
        "Script that chooses the messages that the model sees.",
    ),
)

_EXPORTS = (
    Setting("exportMaxConcurrent", _between(1, 100), 2, "Running exports of one account."),
    Setting("exportMaxGlobalConcurrent", _between(1, 100), 8, "Running exports in all."),
    Setting("gmailExportBatchSize", _between(1, 50), 10, "Gmail messages fetched at once."),
    Setting("outlookExportBatchSize", _between(1, 20), 20, "Graph messages in one batch."),
    Setting("exportMaxMessages", _between(1, 10_000_000), 500_000, "Messages of one export."),
    Setting(
        "exportMaxSize", {"type": "integer", "minimum": 1}, 10_737_418_240, "Bytes of one export."
    ),
)

_INTERNAL = (
    Setting("authData", meaning="Admin name, password hash, password version.", is_public=False),
    Setting("totpEnabled", default=False, meaning="Second factor is on.", is_public=False),
    Setting("totpSeed", meaning="Seed of the second factor.", is_secret=True, is_public=False),
    Setting("cookiePassword", meaning="Key of admin sessions.", is_secret=True, is_public=False),
    Setting("serviceId", meaning="Random id of this service.", is_public=False),
    Setting("disableTokens", default=False, meaning="Requests need no token.", is_public=False),
    Setting(
        "enableOAuthTokensApi",
        default=False,
        meaning="The oauth-token route is open.",
        is_public=False,
    ),
    Setting("webhookErrorFlag", meaning="Last error of the default target.", is_public=False),
    Setting("trackSentMessages", meaning="Older default of both tracks.", is_public=False),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in (*_public(), *_INTERNAL)}
