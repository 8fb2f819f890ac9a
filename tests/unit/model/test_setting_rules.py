"""Checking the values of settings."""

from __future__ import annotations

import pytest

from postroom.model.setting_rules import validated
from postroom.model.settings import SETTINGS


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("webhooksEnabled", False, False),
        ("webhooks", "https://u:p@example.com:8443/x?y", "https://u:p@example.com:8443/x?y"),
        ("webhooks", "", ""),
        ("webhookEvents", ["*", "messageNew"], ["*", "messageNew"]),
        ("webhookEvents", [], []),
        ("webhooksCustomHeaders", [{"key": " X "}], [{"value": "", "key": "X"}]),
        ("imapIndexer", " full ", "full"),
        ("openAiTemperature", 1.5, 1.5),
        ("deliveryAttempts", 3.0, 3),
        ("smtpServerPort", 65535, 65535),
        ("localAddresses", "10.0.0.1", ["10.0.0.1"]),
        ("localAddresses", ["::1"], ["::1"]),
        ("smtpEhloName", "mx_1.example.com", "mx_1.example.com"),
        ("smtpEhloName", None, None),
        ("logs", {"all": True}, {"all": True, "maxLogLines": 10000}),
        ("imapClientSupportUrl", "mailto:a@example.com", "mailto:a@example.com"),
        ("proxyUrl", "socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
    ],
)
def test_a_right_value_is_stored_in_its_plain_form(
    name: str, value: object, stored: object
) -> None:
    assert validated(SETTINGS[name], value) == stored


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhooksEnabled", 1),
        ("webhooksEnabled", "true"),
        ("webhooksEnabled", None),
        ("webhooks", "ftp://example.com"),
        ("webhooks", "javascript:alert(1)"),
        ("webhooks", "https://"),
        ("webhooks", "https://example.com/a b"),
        ("webhooks", "https://exa\nmple.com/"),
        ("webhookEvents", "*"),
        ("webhookEvents", ["x" * 257]),
        ("webhookEvents", [1]),
        ("webhooksCustomHeaders", [{"value": "x"}]),
        ("webhooksCustomHeaders", [{"key": "x", "other": 1}]),
        ("webhooksCustomHeaders", ["x"]),
        ("imapIndexer", "slow"),
        ("openAiTemperature", 2.1),
        ("openAiTemperature", "1"),
        ("deliveryAttempts", -1),
        ("deliveryAttempts", 1.5),
        ("deliveryAttempts", True),
        ("smtpServerPort", 65536),
        ("localAddresses", ["10.0.0.0/8"]),
        ("localAddresses", ["example.com"]),
        ("smtpServerHost", "localhost"),
        ("smtpEhloName", "bad host"),
        ("smtpEhloName", "a\r\nRCPT"),
        ("smtpServerPassword", "x" * 1025),
        ("logs", {"all": "yes"}),
        ("logs", []),
        ("logs", {"maxLogLines": 1000001}),
    ],
)
def test_a_wrong_value_is_refused_with_a_reason(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"must|required|not allowed"):
        validated(SETTINGS[name], value)


def test_every_default_passes_its_own_rule() -> None:
    for setting in SETTINGS.values():
        if setting.is_public and setting.default is not None:
            assert validated(setting, setting.default) == setting.default
