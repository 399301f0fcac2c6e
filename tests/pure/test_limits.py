"""How often is spelled, and whom a request is counted for."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from server.addresses import client_of
from server.rates import Rate
from server.settings import Settings, explain


def settings(**values: Any) -> Settings:
    needed = {
        "stripe_secret_key": "sk_test_pure",
        "stripe_webhook_secrets": "whsec_pure",
        "stripe_connect_webhook_secrets": "whsec_pure",
        "jwt_keys": "pure:a-secret-of-the-tests-32-bytes-long",
        "data_keys": Fernet.generate_key().decode(),
        "checkpoint_key": Fernet.generate_key().decode(),
    }
    return Settings(_env_file=None, **needed | values)


# Rates.


@pytest.mark.parametrize(
    ("text", "limit", "window_s"),
    [
        ("5/hour", 5, 3600),
        ("10/15minute", 10, 900),
        ("3/second", 3, 1),
        ("1/day", 1, 86_400),
        ("999999/999day", 999_999, 999 * 86_400),
    ],
)
def test_a_rate_is_times_and_a_window(text: str, limit: int, window_s: int) -> None:
    assert Rate.parse(text) == Rate(limit=limit, window_s=window_s)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "/hour", "5/", "5/h", "5/hours", "5/Hour", "5/week", "5per hour", "5/hour,3/minute"),
        *("5 /hour", "5/ hour", "5/hour ", " 5/hour", "5/hour\n"),
        *("0/hour", "-1/hour", "+5/hour", "5.5/hour", "05/hour", "٥/hour", "1000000/hour"),
        *("5/0minute", "5/1.5hour", "5/1000day"),
    ],
)
def test_no_other_spelling_is_a_rate(text: str) -> None:
    with pytest.raises(ValueError, match="such as 5/hour or 10/15minute"):
        Rate.parse(text)


def test_settings_have_the_rates_of_the_design_unless_told_otherwise() -> None:
    assert settings().rate_limit_deposits == Rate(limit=5, window_s=3600)
    assert settings().rate_limit_withdrawals == Rate(limit=3, window_s=3600)
    assert settings().rate_limit_connect_accounts == Rate(limit=2, window_s=3600)
    assert settings().rate_limit_sign_in == Rate(limit=10, window_s=900)
    assert settings(rate_limit_deposits="7/day").rate_limit_deposits == Rate(limit=7, window_s=86_400)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("rate_limit_deposits", "5/hours", "5/hour or 10/15minute"),
        ("rate_limit_withdrawals", "3 an hour", "5/hour or 10/15minute"),
        ("rate_limit_sign_in", "", "5/hour or 10/15minute"),
        ("trusted_proxies", "10.0.0.0/8,proxy.example.com", "not a valid IPv4 or IPv6 network"),
        ("trusted_proxies", "10.0.0.1/8", "not a valid IPv4 or IPv6 network"),
    ],
)
def test_a_bad_setting_is_named_and_explained(name: str, value: str, hint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**{name: value})
    explanation = explain(refused.value)
    assert explanation.startswith(name.upper())
    assert hint in explanation


# Addresses.

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("198.51.100.7", [], "198.51.100.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        # Who is no proxy of ours may write what they like.
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # What stands left of the first stranger is that stranger's word.
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.9, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        # Somebody on the inside, and a proxy that says nothing that could be understood.
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9,"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.300"], "10.0.0.1"),
        # With a port, as some write it.
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8:1:2:3:4:5:6]:4711"], "2001:db8:1:2::/64"),
        # One network of IPv6 is one client; IPv4 in the other's clothes is IPv4.
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:ffff::1", ["2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::1", ["203.0.113.9"], "::/64"),
        # No address at all: a socket in the file system.
        (None, ["203.0.113.9"], "unknown"),
        ("testclient", ["203.0.113.9"], "unknown"),
    ],
)
def test_a_request_is_counted_for_the_first_who_is_no_proxy_of_ours(
    peer: str | None, forwarded_for: Sequence[str], client: str
) -> None:
    assert client_of(peer, forwarded_for, trusted=PROXIES) == client


def test_nobody_is_trusted_unless_they_are_named() -> None:
    assert client_of("127.0.0.1", ["203.0.113.9"], trusted=settings().trusted_proxies) == "127.0.0.1"
    trusted = settings(trusted_proxies="127.0.0.1, ::1").trusted_proxies
    assert client_of("127.0.0.1", ["203.0.113.9"], trusted=trusted) == "203.0.113.9"
