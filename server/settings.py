"""The settings: one typed object, read once from the environment or .env, handed down from here."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.escrow import WHOLE_BPS
from domain.identity.tokens import KEY_BYTES_MIN
from domain.kernel.money import CURRENCIES, Limit
from domain.kernel.signer import Signer
from domain.runtime import Policy
from server.rates import Rate

STRIPE_API_BASE: Final = "https://api.stripe.com"


def _commas(value: Any) -> Any:
    """`a,b` as a tuple: pydantic-settings would read it as JSON."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _limit(value: Any) -> Any:
    return Limit.parse(str(value)) if isinstance(value, str | int) else value


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_commas)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_commas)]
Limits = Annotated[Limit, NoDecode, BeforeValidator(_limit)]
# Whatever is longer is a slip of the pen, and above some length no date any more.
Duration = Annotated[float, Field(gt=0, le=366 * 86_400)]
Durations = Annotated[tuple[Duration, ...], NoDecode, BeforeValidator(_commas), Field(min_length=1)]
BasisPoints = Annotated[int, Field(ge=0, le=WHOLE_BPS)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_commas)]


def _rate(value: Any) -> Any:
    return Rate.parse(value) if isinstance(value, str) else value


RateLimit = Annotated[Rate, NoDecode, BeforeValidator(_rate)]


class Settings(BaseSettings):
    """Each is explained, with its unit, in .env.example. Unsafe values stop the start in production."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    data_dir: Path = Path(".data")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    graphiql: bool | None = None
    cors_origins: Texts = ()
    trusted_proxies: Networks = ()

    mongodb_url: str = "mongodb://127.0.0.1:27017/?replicaSet=jobsphere"
    mongodb_database: str = "jobsphere"
    redis_url: str = "redis://127.0.0.1:6379/0"

    stripe_secret_key: SecretStr
    stripe_publishable_key: str = ""
    stripe_api_base: str = STRIPE_API_BASE
    stripe_webhook_secrets: Secrets
    stripe_connect_webhook_secrets: Secrets
    stripe_timeout_seconds: Duration = 20
    # Below one a second the limiter would let nothing through.
    stripe_requests_per_second: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    circuit_failures: int = Field(default=5, gt=0)
    circuit_open_seconds: Duration = 30
    lookup_wait_seconds: Duration = 60
    retry_delays_seconds: Durations = (300, 1800, 7200)
    funds_recheck_seconds: Duration = 3600

    jwt_keys: Secrets
    jwt_issuer: str = "jobsphere-payments"
    jwt_audience: str = "jobsphere"
    access_token_minutes: int = Field(default=15, gt=0, le=527_040)
    refresh_token_days: int = Field(default=30, gt=0, le=3660)
    data_keys: Secrets
    checkpoint_key: Secrets

    currencies: Texts = ("USD",)
    deposit_min: Limits = Limit(100)
    deposit_max: Limits = Limit(1_000_000)
    deposit_expiry_hours: float = Field(default=24, gt=0, le=8784)
    withdrawal_min: Limits = Limit(1000)
    withdrawal_max: Limits = Limit(1_000_000)
    withdrawal_approval_above: Limits = Limit(100_000)
    adjustment_two_admins_above: Limits = Limit(10_000)

    owner_refund_window_hours: float = Field(default=0, ge=0, le=8784)

    connect_countries: Texts = ("US",)
    connect_capabilities: Texts = ("transfers",)
    platform_fee_bps: BasisPoints = 500
    service_fee_bps: BasisPoints = 2_000
    escrow_min: Limits = Limit(100)
    escrow_expiry_days: float = Field(default=7, gt=0, le=366)

    rate_limit_deposits: RateLimit = Rate(limit=5, window_s=3600)
    rate_limit_withdrawals: RateLimit = Rate(limit=3, window_s=3600)
    rate_limit_connect_accounts: RateLimit = Rate(limit=2, window_s=3600)
    rate_limit_sign_in: RateLimit = Rate(limit=10, window_s=900)

    lease_seconds: Duration = 15
    sweep_interval_seconds: Duration = 60
    backfill_interval_seconds: Duration = 600
    webhook_retry_delays_seconds: Durations = (5, 30, 120, 600, 1800, 7200, 21600)

    @field_validator("currencies")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [code for code in codes if code not in CURRENCIES]
        if unknown or not codes:
            raise ValueError(f"CURRENCIES must be some of {', '.join(sorted(CURRENCIES))}, not {unknown}")
        if len(set(codes)) < len(codes):
            raise ValueError("CURRENCIES names a currency twice")
        return codes

    @field_validator("connect_countries")
    @classmethod
    def _countries(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if not codes or not all(re.fullmatch("[A-Z]{2}", code) for code in codes):
            raise ValueError("CONNECT_COUNTRIES must be ISO 3166 codes of two capital letters, e.g. US,GB")
        return codes

    @field_validator("connect_capabilities")
    @classmethod
    def _capabilities(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "transfers" not in names or not all(re.fullmatch("[a-z0-9_]+", name) for name in names):
            raise ValueError(
                "CONNECT_CAPABILITIES must be Stripe's names, and transfers among them: no money could leave"
            )
        return names

    @field_validator(
        "stripe_webhook_secrets", "stripe_connect_webhook_secrets", "jwt_keys", "data_keys", "checkpoint_key"
    )
    @classmethod
    def _some(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not secrets or not all(secret.get_secret_value().strip() for secret in secrets):
            raise ValueError("at least one secret is needed, and none may be empty")
        return secrets

    @field_validator("data_keys")
    @classmethod
    def _fernet(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            Fernet(secret.get_secret_value())
        return secrets

    @field_validator("jwt_keys")
    @classmethod
    def _kid_and_secret(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        pairs = [key.partition(":") for key in reveal(keys)]
        if not all(kid and len(secret.encode()) >= KEY_BYTES_MIN for kid, _, secret in pairs):
            raise ValueError(
                f"JWT_KEYS are `kid:secret` pairs of at least {KEY_BYTES_MIN} bytes, separated by commas"
            )
        if len({kid for kid, _, _ in pairs}) < len(pairs):
            raise ValueError("JWT_KEYS names a kid twice")
        return keys

    @field_validator("checkpoint_key")
    @classmethod
    def _ed25519(cls, keys: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        can_sign = Signer(reveal(keys)).can_sign
        if info.data.get("environment") == "production" and not can_sign:
            raise ValueError("the first CHECKPOINT_KEY must be one that can sign, not a public one")
        return keys

    @model_validator(mode="after")
    def _limits(self) -> "Settings":
        policy = self.policy()
        for code in self.currencies:
            least, most = policy.deposit_bounds(code)
            if least > most:
                raise ValueError(
                    f"DEPOSIT_MIN, DEPOSIT_MAX and Stripe's own limits leave no deposit in {code}: "
                    f"at least {least}, at most {most} minor units"
                )
            least, most = policy.withdrawal_bounds(code)
            if least > most:
                raise ValueError(
                    f"WITHDRAWAL_MIN and WITHDRAWAL_MAX leave no withdrawal in {code}: "
                    f"at least {least}, at most {most} minor units"
                )
        return self

    @model_validator(mode="after")
    def _stripe_is_meant(self) -> "Settings":
        """A live key never reaches a foreign host, and production never runs on a test key."""
        live = self.stripe_secret_key.get_secret_value().startswith(("sk_live_", "rk_live_"))
        if live and self.stripe_api_base.rstrip("/") != STRIPE_API_BASE:
            raise ValueError("a live STRIPE_SECRET_KEY is only for Stripe itself: unset STRIPE_API_BASE")
        if self.environment == "production" and not live:
            raise ValueError("ENVIRONMENT=production needs a live STRIPE_SECRET_KEY")
        plain = urlsplit(self.stripe_api_base).scheme != "https"
        if plain and urlsplit(self.stripe_api_base).hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("STRIPE_API_BASE must be https, or on this machine")
        return self

    @property
    def serves_graphiql(self) -> bool:
        """On in development, off in production unless asked for."""
        return self.environment == "development" if self.graphiql is None else self.graphiql

    @property
    def livemode(self) -> bool:
        return self.stripe_secret_key.get_secret_value().startswith(("sk_live_", "rk_live_"))

    def policy(self) -> Policy:
        return Policy(
            currencies=self.currencies,
            deposit_min=self.deposit_min,
            deposit_max=self.deposit_max,
            deposit_expiry=timedelta(hours=self.deposit_expiry_hours),
            connect_countries=self.connect_countries,
            connect_capabilities=self.connect_capabilities,
            platform_fee_bps=self.platform_fee_bps,
            service_fee_bps=self.service_fee_bps,
            escrow_min=self.escrow_min,
            escrow_expiry=timedelta(days=self.escrow_expiry_days),
            withdrawal_min=self.withdrawal_min,
            withdrawal_max=self.withdrawal_max,
            withdrawal_approval_above=self.withdrawal_approval_above,
            owner_refund_window=timedelta(hours=self.owner_refund_window_hours),
            adjustment_two_admins_above=self.adjustment_two_admins_above,
            retry_delays=tuple(timedelta(seconds=s) for s in self.retry_delays_seconds),
            funds_recheck=timedelta(seconds=self.funds_recheck_seconds),
            lease=timedelta(seconds=self.lease_seconds),
            lookup_wait=timedelta(seconds=self.lookup_wait_seconds),
            recheck=timedelta(seconds=self.sweep_interval_seconds),
            backfill_interval=timedelta(seconds=self.backfill_interval_seconds),
            webhook_retry_delays=tuple(timedelta(seconds=s) for s in self.webhook_retry_delays_seconds),
        )


def explain(error: ValidationError) -> str:
    """What is wrong with which setting, a line each. The values may be secrets: none is shown."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "\n".join(
        f"{'_'.join(str(part) for part in problem['loc']).upper() or 'SETTINGS'}: {problem['msg']}"
        for problem in problems
    )


def reveal(secrets: tuple[SecretStr, ...]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]
