"""Settings about money: what is not understood stops the start, with the name of the setting."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from domain.kernel.money import Limit
from server.settings import Settings, explain

NEEDED: dict[str, Any] = {
    "stripe_secret_key": "sk_test_1",
    "stripe_webhook_secrets": "whsec_1",
    "stripe_connect_webhook_secrets": "whsec_2",
    "jwt_keys": "test:a-secret-of-the-tests-32-bytes-long",
    "data_keys": Fernet.generate_key().decode(),
    "checkpoint_key": Fernet.generate_key().decode(),
}


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **NEEDED, **values)


def test_limits_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURRENCIES", "USD,JPY")
    monkeypatch.setenv("DEPOSIT_MIN", "200,JPY:300")
    monkeypatch.setenv("DEPOSIT_MAX", "50000")
    policy = settings().policy()
    assert (policy.deposit_min, policy.deposit_max) == (Limit(200, {"JPY": 300}), Limit(50_000))
    assert policy.deposit_bounds("JPY") == (300, 50_000)


def test_without_a_word_a_deposit_is_1_to_10000_dollars() -> None:
    assert settings().policy().deposit_bounds("USD") == (1_00, 10_000_00)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"deposit_min": "100,XXX:50"}, "DEPOSIT_MIN: Value error, 'XXX' is no currency"),
        ({"deposit_max": "much"}, "DEPOSIT_MAX: Value error, 'much' is no count of minor units"),
        ({"deposit_min": "2000000"}, "leave no deposit in USD: at least 2000000, at most 1000000"),
        ({"deposit_max": "49"}, "leave no deposit in USD: at least 100, at most 49"),
        (
            {"currencies": "USD,HUF", "deposit_max": "10000"},
            "leave no deposit in HUF: at least 17500, at most 10000",
        ),
        ({"currencies": "USD,JPY", "deposit_min": "100,JPY:2000000"}, "leave no deposit in JPY"),
        ({"currencies": "USD,usd"}, "CURRENCIES must be some of"),
        ({"currencies": "USD,EUR,USD"}, "CURRENCIES names a currency twice"),
        ({"currencies": ""}, "CURRENCIES must be some of"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(values: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert problem in explain(refused.value)
