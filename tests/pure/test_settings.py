"""Settings: what is not understood stops the start, with the name of the setting."""

from datetime import timedelta
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
    return Settings(_env_file=None, **(NEEDED | values))


def test_limits_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURRENCIES", "USD,JPY")
    monkeypatch.setenv("DEPOSIT_MIN", "200,JPY:300")
    monkeypatch.setenv("DEPOSIT_MAX", "50000")
    policy = settings().policy()
    assert (policy.deposit_min, policy.deposit_max) == (Limit(200, {"JPY": 300}), Limit(50_000))
    assert policy.deposit_bounds("JPY") == (300, 50_000)


def test_an_escrows_rules_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {"PLATFORM_FEE_BPS": "0", "SERVICE_FEE_BPS": "10000", "ESCROW_MIN": "500,JPY:50"}
    for name, value in {**rules, "ESCROW_EXPIRY_DAYS": "0.5"}.items():
        monkeypatch.setenv(name, value)
    policy = settings().policy()
    assert (policy.platform_fee_bps, policy.service_fee_bps) == (0, 10_000)
    assert (policy.escrow_min, policy.escrow_expiry) == (Limit(500, {"JPY": 50}), timedelta(hours=12))


def test_without_a_word_a_job_costs_a_dollar_and_a_twentieth_and_a_fifth_are_ours() -> None:
    policy = settings().policy()
    assert (policy.platform_fee_bps, policy.service_fee_bps) == (500, 2_000)
    assert (policy.escrow_min, policy.escrow_expiry) == (Limit(100), timedelta(days=7))


def test_without_a_word_a_deposit_is_1_to_10000_dollars() -> None:
    assert settings().policy().deposit_bounds("USD") == (1_00, 10_000_00)


def test_countries_and_capabilities_are_lists() -> None:
    assert settings().policy().connect_countries == ("US",)
    assert settings().policy().connect_capabilities == ("transfers",)
    policy = settings(connect_countries="US, GB", connect_capabilities="transfers,card_payments").policy()
    assert policy.connect_countries == ("US", "GB")
    assert policy.connect_capabilities == ("transfers", "card_payments")


def test_without_a_word_a_withdrawal_is_10_to_10000_dollars_and_above_1000_is_approved() -> None:
    policy = settings().policy()
    assert policy.withdrawal_bounds("USD") == (10_00, 10_000_00)
    assert policy.withdrawal_approval_above.of("USD") == 1_000_00
    assert [delay.total_seconds() for delay in policy.retry_delays] == [300, 1_800, 7_200]
    assert policy.funds_recheck.total_seconds() == 3_600


def test_without_a_word_an_adjustment_above_100_dollars_needs_two_administrators() -> None:
    assert settings().policy().adjustment_two_admins_above.of("USD") == 100_00
    policy = settings(adjustment_two_admins_above="2500,JPY:300").policy()
    assert [policy.adjustment_two_admins_above.of(code) for code in ("EUR", "JPY")] == [25_00, 300]


def test_without_a_word_owners_refund_nothing_themselves() -> None:
    assert settings().policy().owner_refund_window == timedelta(0)
    assert settings(owner_refund_window_hours="48").policy().owner_refund_window == timedelta(hours=48)


def test_the_bounds_of_a_withdrawal_are_what_a_bank_can_be_paid() -> None:
    policy = settings(
        currencies="USD,HUF,KWD,ISK,MGA", withdrawal_min="1001,KWD:1234", withdrawal_max="20099"
    ).policy()
    bounds = {code: policy.withdrawal_bounds(code) for code in policy.currencies}
    assert bounds == {
        "USD": (1_001, 20_099),
        "HUF": (1_100, 20_000),
        "KWD": (1_240, 20_090),
        "ISK": (1_001, 20_099),
        "MGA": (1_100, 20_000),
    }


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
        ({"platform_fee_bps": "10001"}, "PLATFORM_FEE_BPS: Input should be less than or equal to 10000"),
        ({"service_fee_bps": "-1"}, "SERVICE_FEE_BPS: Input should be greater than or equal to 0"),
        ({"service_fee_bps": "12.5"}, "SERVICE_FEE_BPS: Input should be a valid integer"),
        ({"escrow_min": "0"}, "ESCROW_MIN: Value error, '0' is no count of minor units"),
        ({"escrow_expiry_days": "0"}, "ESCROW_EXPIRY_DAYS: Input should be greater than 0"),
        ({"withdrawal_max": "999"}, "leave no withdrawal in USD: at least 1000, at most 999"),
        ({"withdrawal_min": "1000001"}, "leave no withdrawal in USD: at least 1000001, at most 1000000"),
        (
            {"currencies": "USD,HUF", "withdrawal_min": "1000,HUF:1001", "withdrawal_max": "1099"},
            "leave no withdrawal in HUF: at least 1100, at most 1000",
        ),
        ({"withdrawal_approval_above": "0"}, "WITHDRAWAL_APPROVAL_ABOVE: Value error, '0' is no count"),
        (
            {"adjustment_two_admins_above": "1.5"},
            "ADJUSTMENT_TWO_ADMINS_ABOVE: Value error, '1.5' is no count",
        ),
        ({"currencies": "USD,usd"}, "CURRENCIES must be some of"),
        ({"currencies": "USD,EUR,USD"}, "CURRENCIES names a currency twice"),
        ({"currencies": ""}, "CURRENCIES must be some of"),
        ({"connect_countries": ""}, "CONNECT_COUNTRIES must be ISO 3166"),
        ({"connect_countries": "US,gb"}, "CONNECT_COUNTRIES must be ISO 3166"),
        ({"connect_countries": "US;GB"}, "CONNECT_COUNTRIES must be ISO 3166"),
        ({"connect_capabilities": "card_payments"}, "CONNECT_CAPABILITIES must be Stripe's names"),
        ({"connect_capabilities": "transfers,Card Payments"}, "CONNECT_CAPABILITIES must be Stripe's names"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(values: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert problem in explain(refused.value)


KEY = "of-32-bytes-and-more-for-the-tests"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"lease_seconds": "inf"}, "LEASE_SECONDS: Input should be less than"),
        ({"sweep_interval_seconds": "nan"}, "SWEEP_INTERVAL_SECONDS: Input should be"),
        ({"backfill_interval_seconds": "1e20"}, "BACKFILL_INTERVAL_SECONDS: Input should be less than"),
        ({"circuit_open_seconds": "inf"}, "CIRCUIT_OPEN_SECONDS: Input should be less than"),
        ({"lookup_wait_seconds": "inf"}, "LOOKUP_WAIT_SECONDS: Input should be less than"),
        ({"stripe_timeout_seconds": "inf"}, "STRIPE_TIMEOUT_SECONDS: Input should be less than"),
        ({"deposit_expiry_hours": "1e15"}, "DEPOSIT_EXPIRY_HOURS: Input should be less than"),
        ({"access_token_minutes": "100000000000000"}, "ACCESS_TOKEN_MINUTES: Input should be less than"),
        ({"refresh_token_days": "100000000000000"}, "REFRESH_TOKEN_DAYS: Input should be less than"),
        ({"webhook_retry_delays_seconds": "5,-5"}, "WEBHOOK_RETRY_DELAYS_SECONDS_1: Input should be greater"),
        ({"webhook_retry_delays_seconds": "inf"}, "WEBHOOK_RETRY_DELAYS_SECONDS_0: Input should be less"),
        ({"retry_delays_seconds": "300,0"}, "RETRY_DELAYS_SECONDS_1: Input should be greater"),
        ({"retry_delays_seconds": ""}, "RETRY_DELAYS_SECONDS: Value should have at least 1"),
        ({"funds_recheck_seconds": "inf"}, "FUNDS_RECHECK_SECONDS: Input should be less than"),
        ({"webhook_retry_delays_seconds": ""}, "WEBHOOK_RETRY_DELAYS_SECONDS: Value should have at least 1"),
        ({"stripe_requests_per_second": "0.5"}, "STRIPE_REQUESTS_PER_SECOND: Input should be greater than"),
        (
            {"stripe_requests_per_second": "inf"},
            "STRIPE_REQUESTS_PER_SECOND: Input should be a finite",
        ),
        ({"port": "65536"}, "PORT: Input should be less than"),
        ({"jwt_keys": "2026:too-short"}, "JWT_KEYS: Value error, JWT_KEYS are `kid:secret` pairs"),
        ({"jwt_keys": f":{KEY}"}, "JWT_KEYS: Value error, JWT_KEYS are `kid:secret` pairs"),
        ({"jwt_keys": f"a:{KEY},a:another-{KEY}"}, "JWT_KEYS: Value error, JWT_KEYS names a kid twice"),
    ],
)
def test_what_could_not_work_stops_the_start(values: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert problem in explain(refused.value)
    assert KEY not in explain(refused.value)
