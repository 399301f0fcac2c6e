"""Keys that sign and keys that only verify; ids that carry their instant; the setting that holds the keys."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.kernel.clock import cut
from domain.kernel.ids import first_id, made_at, new_id
from domain.kernel.signer import Signature, Signer
from server.settings import Settings, explain

OLD, NEW = [base64.urlsafe_b64encode(bytes(range(start, start + 32))).decode() for start in (0, 100)]
PUBLIC = f"public:{Signer([OLD]).key}"
INSTANTS = st.integers(0, 2**45).map(lambda ms: cut(datetime.fromtimestamp(ms / 1000, UTC)))


def test_the_first_key_signs_and_all_verify() -> None:
    signature = Signer([OLD]).sign(b"text")
    assert Signer([NEW, OLD]).verifies(b"text", signature)
    assert Signer([NEW, PUBLIC]).verifies(b"text", signature)
    assert Signer([NEW, OLD]).sign(b"text").key == Signer([NEW]).key
    assert not Signer([NEW]).verifies(b"text", signature)
    assert not Signer([OLD]).verifies(b"other text", signature)
    assert not Signer([OLD, NEW]).verifies(b"text", Signature(Signer([NEW]).key, signature.text))
    assert not Signer([OLD]).verifies(b"text", Signature(signature.key, "no base64"))


def test_a_public_key_says_nothing_about_how_to_sign() -> None:
    assert not Signer([PUBLIC]).can_sign
    with pytest.raises(ValueError, match="cannot sign"):
        Signer([PUBLIC]).sign(b"text")


@pytest.mark.parametrize(
    "key",
    ["", "change-me", OLD[:-4], OLD + OLD, "A" * 43 + "=", "public:", OLD.replace("A", "!"), f" {OLD} x"],
)
def test_what_is_no_random_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match=r"base64url|random") as refused:
        Signer([NEW, key])
    assert not key or key not in str(refused.value)


@given(INSTANTS)
def test_an_id_carries_its_instant_and_sorts_by_it(instant: datetime) -> None:
    identifier = new_id("ent", at=instant)
    assert made_at("ent", identifier) == instant
    assert first_id("ent", at=instant) <= identifier < first_id("ent", at=instant + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "text", ["", "ent_", "ent_zzz", "dep_01M8848FMVCM1NNDWA6QG77Y30", "ent_" + "Z" * 26, "ent_7" + "Z" * 25]
)
def test_what_is_no_such_id_has_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        made_at("ent", text)


# CHECKPOINT_KEY.


def settings(**changes: Any) -> Settings:
    values = {
        "stripe_secret_key": "sk_live_1",
        "stripe_webhook_secrets": "whsec_1",
        "stripe_connect_webhook_secrets": "whsec_2",
        "jwt_keys": "pure:a-secret-of-the-tests-32-bytes-long",
        "data_keys": Fernet.generate_key().decode(),
        "checkpoint_key": f"{NEW}, {PUBLIC}",
    }
    return Settings(_env_file=None, **(values | changes))


def test_one_key_or_several_start_the_product() -> None:
    assert len(settings().checkpoint_key) == 2
    assert settings(environment="production", checkpoint_key=NEW).checkpoint_key
    assert settings(checkpoint_key=PUBLIC).checkpoint_key, "an auditor's"


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint_key": ""},
        {"checkpoint_key": "change-me"},
        {"checkpoint_key": f"{NEW},change-me"},
        {"checkpoint_key": PUBLIC, "environment": "production"},
    ],
)
def test_an_unsafe_key_stops_the_start(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**changes)
    assert explain(refused.value).startswith("CHECKPOINT_KEY: ")
    assert "change-me" not in explain(refused.value)


def test_there_is_no_default_key() -> None:
    values = settings().model_dump(exclude={"checkpoint_key"})
    with pytest.raises(ValidationError, match="checkpoint_key"):
        Settings(_env_file=None, **values)
