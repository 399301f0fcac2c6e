"""Access tokens: what is taken, and everything that is not."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import Role, TokenIssuer
from domain.kernel.errors import Unauthenticated

OLD = "the old key, which is thirty-two bytes and more"
NEW = "the new key, which is thirty-two bytes and more"
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def issuer(
    keys: Mapping[str, str] | None = None, *, name: str = "jobsphere", audience: str = "jobsphere-api"
) -> TokenIssuer:
    return TokenIssuer(keys or {"old": OLD}, issuer=name, audience=audience)


def token_of(by: TokenIssuer, now: datetime = NOW) -> str:
    return by.issue("usr_1", [Role.CUSTOMER, Role.CONTRACTOR], "ses_1", now=now).token


def payload(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, with `changes`; a claim that is changed to None is left out."""
    seconds = int(NOW.timestamp())
    claims: dict[str, Any] = {
        "iss": "jobsphere",
        "aud": "jobsphere-api",
        "sub": "usr_1",
        "sid": "ses_1",
        "roles": ["CUSTOMER"],
        "jti": "token",
        "iat": seconds,
        "nbf": seconds,
        "exp": seconds + 900,
    } | changes
    return {name: claim for name, claim in claims.items() if claim is not None}


def signed(claims: Mapping[str, Any], *, key: str = OLD, headers: Mapping[str, Any] | None = None) -> str:
    return jwt.encode(dict(claims), key, algorithm="HS256", headers=dict(headers or {"kid": "old"}))


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refused(token: str, by: TokenIssuer | None = None, *, now: datetime = NOW) -> str:
    with pytest.raises(Unauthenticated) as caught:
        (by or issuer()).verify(token, now=now)
    return str(caught.value)


def test_says_who_asks_and_until_when() -> None:
    access = issuer().issue("usr_1", [Role.CUSTOMER, Role.CONTRACTOR], "ses_1", now=NOW)

    claims = issuer().verify(access.token, now=NOW)

    assert (claims.user_id, claims.session_id) == ("usr_1", "ses_1")
    assert claims.roles == {Role.CUSTOMER, Role.CONTRACTOR}
    assert claims.issued_at == NOW.replace(microsecond=0)
    assert claims.expires_at == access.expires_at == claims.issued_at + timedelta(minutes=15)


def test_no_two_tokens_are_alike() -> None:
    assert token_of(issuer()) != token_of(issuer())


def test_a_token_is_not_printed_by_accident() -> None:
    access = issuer().issue("usr_1", [Role.CUSTOMER], "ses_1", now=NOW)

    assert access.token not in repr(access)


def test_expires_to_the_second() -> None:
    access = issuer().issue("usr_1", [Role.CUSTOMER], "ses_1", now=NOW)

    issuer().verify(access.token, now=access.expires_at - timedelta(milliseconds=1))
    assert "expired" in refused(access.token, now=access.expires_at)


def test_is_refused_before_its_time_but_for_a_little_skew() -> None:
    token = token_of(issuer())

    issuer().verify(token, now=NOW - timedelta(seconds=4))
    refused(token, now=NOW - timedelta(seconds=10))
    refused(signed(payload(nbf=int(NOW.timestamp()) + 60)))
    refused(signed(payload(iat=int(NOW.timestamp()) + 60)))


def test_rotating_the_key_signs_nobody_out() -> None:
    before, during, after = issuer({"old": OLD}), issuer({"new": NEW, "old": OLD}), issuer({"new": NEW})
    earlier, later = token_of(before), token_of(during)

    during.verify(earlier, now=NOW)
    during.verify(later, now=NOW)
    after.verify(later, now=NOW)
    refused(earlier, after)


def test_the_header_cannot_lend_one_keys_name_to_another() -> None:
    both = issuer({"new": NEW, "old": OLD})

    refused(signed(payload(), key=OLD, headers={"kid": "new"}), both)


@pytest.mark.parametrize("kid", ["", "other", "OLD", 7, None, ["old"], {"old": 1}])
def test_an_unknown_key_is_refused(kid: object) -> None:
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    body = f"{segment(header)}.{segment(payload())}"
    signature = jwt.api_jws.PyJWS().encode(b"{}", OLD, "HS256").rsplit(".", 1)[1]

    refused(f"{body}.{signature}")


def test_a_key_that_is_not_named_is_refused() -> None:
    refused(jwt.encode(payload(), OLD, algorithm="HS256"))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_no_signature_is_refused(algorithm: str) -> None:
    body = f"{segment({'alg': algorithm, 'typ': 'JWT', 'kid': 'old'})}.{segment(payload())}"

    refused(f"{body}.")
    refused(f"{body}.{token_of(issuer()).rsplit('.', 1)[1]}")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_under_the_right_key(algorithm: str) -> None:
    key = OLD * 2  # long enough that the library has nothing to say about it

    refused(jwt.encode(payload(), key, algorithm=algorithm, headers={"kid": "old"}), issuer({"old": key}))


def test_a_public_key_does_not_serve_as_a_secret() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    refused(jwt.encode(payload(), private, algorithm="RS256", headers={"kid": "old"}))
    # And nobody can set the house up so that it would: PyJWT refuses to sign with it.
    with pytest.raises(jwt.InvalidKeyError):
        token_of(issuer({"old": public}))


def test_a_token_of_another_house_is_refused() -> None:
    refused(token_of(issuer(name="somebody-else")))
    refused(token_of(issuer(audience="another-api")))
    refused(signed(payload(aud=["jobsphere-api", "another-api"])))


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "sub", "iss", "aud", "sid", "roles", "jti"])
def test_every_claim_is_required(claim: str) -> None:
    issuer().verify(signed(payload()), now=NOW)

    refused(signed(payload(**{claim: None})))


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ""},
        {"sid": 7},
        {"sid": ""},
        {"jti": 7},
        {"roles": "CUSTOMER"},
        {"roles": ["OWNER"]},
        {"roles": [["ADMIN"]]},
        {"roles": {"ADMIN": True}},
        {"exp": True},
        {"exp": "4000000000"},
        {"exp": 4e9},
        {"exp": 10**30},
        {"iat": -(10**30)},
        {"nbf": "now"},
    ],
)
def test_a_claim_of_another_shape_is_refused(changes: dict[str, Any]) -> None:
    refused(signed(payload(**changes)))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(part: int) -> None:
    parts = token_of(issuer()).split(".")
    # The last letter of a part may hold padding bits only: change one in the middle.
    middle = len(parts[part]) // 2
    letter = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + letter + parts[part][middle + 1 :]

    refused(".".join(parts))


def test_a_raised_role_is_refused() -> None:
    header, _, signature = signed(payload()).split(".")

    refused(f"{header}.{segment(payload(roles=['ADMIN']))}.{signature}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b",
        "a.b.c.d",
        "ünïcödé",
        "\ud800.\ud800.\ud800",
        "\x00",
        f"{segment([])}.{segment({})}.",
        f"{segment(None)}.{segment({})}.",
        f"{base64.urlsafe_b64encode(b'[' * 2000).decode()}.e30.AA",
        "a" * 100_000,
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    refused(token)


@given(st.text())
def test_no_text_breaks_the_check(token: str) -> None:
    refused(token)


def test_refusals_do_not_say_what_was_wrong() -> None:
    wrong = [signed(payload(aud="x")), signed(payload(), key=NEW), signed(payload(sid=None)), "a.b.c"]

    assert len({refused(token) for token in wrong}) == 1


@pytest.mark.parametrize(
    "keys", [{}, {"short": "x" * 31}, {"": OLD}, {"old": OLD, "short": "secret"}], ids=str
)
def test_the_house_does_not_open_with_a_weak_key(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        TokenIssuer(keys, issuer="jobsphere", audience="jobsphere-api")

    assert not any(secret in str(caught.value) for secret in keys.values())


def test_the_house_does_not_open_with_tokens_that_never_live() -> None:
    with pytest.raises(ValueError, match="live"):
        TokenIssuer({"old": OLD}, issuer="jobsphere", audience="jobsphere-api", access_minutes=0)
    with pytest.raises(ValueError, match="named"):
        TokenIssuer({"old": OLD}, issuer="", audience="jobsphere-api")
