"""Every way to go wrong, and what is left behind: of a call that creates, of its replay, and of reading."""

import asyncio
from dataclasses import dataclass, replace

import httpx
import pytest

from sandbox.stripe.faults import FaultKind
from tests.sandbox.running import Json, Running

KEY = "deposit:1:create:1"
PATH = "/v1/payment_intents"
INTENT = {"amount": "5000", "currency": "usd"}

RESET = httpx.ReadError
SILENCE = httpx.ReadTimeout
TRUNCATED = httpx.RemoteProtocolError
Seen = int | type[httpx.HTTPError]
"""What the caller is left with: a status, or a broken connection."""

GRACE_S = 0.05
"""How long no answer must come to be called silence, once the sandbox has done all that it will do."""


@dataclass(frozen=True)
class Case:
    """`kept` is the status that is stored under the key of a call that creates; None: nothing was done."""

    fault: str
    seen: Seen
    kept: int | None = None
    seen_by_replay: Seen | None = None
    """Of a call that went well. None: the same as everybody."""
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


SHOULD_RETRY = ("stripe-should-retry", "true")
CASES = [
    Case("latency", 200, kept=200),
    Case("reset_before_commit", RESET),
    Case("reset_after_commit", RESET, kept=200),
    Case("timeout_before_commit", SILENCE),
    Case("timeout_after_commit", SILENCE, kept=200),
    Case("truncate_after_commit", TRUNCATED, kept=200),
    Case("error_500_before_commit", 500, headers=(SHOULD_RETRY,)),
    Case("error_500_after_commit", 500, kept=500),
    Case("error_503", 503),
    Case("rate_limit_429", 429, code="rate_limit", headers=(("stripe-rate-limited-reason", "global-rate"),)),
    Case("lock_timeout_429", 429, code="lock_timeout", headers=(SHOULD_RETRY,)),
    Case("conflict_409", 409, code="idempotency_key_in_use"),
    # The endpoint says no, and a replay never reaches it.
    Case("error_400", 400, kept=400, seen_by_replay=200, code="balance_insufficient"),
    Case("error_400_before_commit", 400, code="balance_insufficient"),
    Case("error_401", 401),
    Case("error_403", 403, code="balance_insufficient"),
]
every_fault = pytest.mark.parametrize("case", CASES, ids=[case.fault for case in CASES])


async def call(sandbox: Running, method: str = "POST", *, key: str | None = KEY) -> httpx.Response:
    data = INTENT if method == "POST" else None
    headers = {"Idempotency-Key": key} if key and method == "POST" else {}
    return await sandbox.http.request(method, PATH, data=data, headers=headers)


async def call_in_vain(sandbox: Running, method: str = "POST", *, key: str | None = KEY) -> None:
    """No answer comes. No clock decides that: the request is held, with its fault, when this looks."""
    seen = len((await sandbox.state())["requests"])
    calling = asyncio.create_task(call(sandbox, method, key=key))
    while [one["fault"] for one in (await sandbox.state())["requests"][seen:]] in ([], [None]):
        pass
    done, _ = await asyncio.wait({calling}, timeout=GRACE_S)
    calling.cancel()
    assert not done


async def suffer(sandbox: Running, case: Case, method: str = "POST", *, key: str | None = KEY) -> None:
    """A call under the fault sees what the case says."""
    await sandbox.fault(case.fault, PATH, method=method, code="balance_insufficient", latency_ms=20)
    if isinstance(case.seen, int):
        answer = await call(sandbox, method, key=key)
        error = answer.json().get("error", {})
        assert (answer.status_code, error.get("code")) == (case.seen, case.code), answer.text
        assert set(case.headers) <= set(answer.headers.items())
    elif case.seen is SILENCE:
        await call_in_vain(sandbox, method, key=key)
    else:
        with pytest.raises(case.seen):
            await call(sandbox, method, key=key)
    state = await sandbox.state()
    assert state["requests"][-1]["fault"] == case.fault
    assert state["faults"] == [], "once was all that was asked for"


def left_behind(state: Json) -> tuple[int, int, list[int]]:
    """How many intents, how many events, and the statuses that are kept under keys."""
    objects = state["objects"]
    kept = [answer["status"] for answer in state["answers"]]
    return len(objects.get("payment_intent", [])), len(objects.get("event", [])), kept


def test_no_fault_is_forgotten() -> None:
    assert {case.fault for case in CASES} == set(FaultKind)


@every_fault
async def test_creating(sandbox: Running, case: Case) -> None:
    await suffer(sandbox, case)

    done = case.kept in {200, 500}
    kept = [] if case.kept is None else [case.kept]
    assert left_behind(await sandbox.state()) == (done, done, kept)
    again = await call(sandbox)
    assert again.status_code == (case.kept or 200)
    assert ("idempotent-replayed" in again.headers) is (case.kept is not None)
    made = 0 if case.kept == 400 else 1
    assert left_behind(await sandbox.state()) == (made, made, [case.kept or 200]), "never twice"


@every_fault
async def test_replaying(sandbox: Running, case: Case) -> None:
    """Nothing is committed again, and what is kept stays as it is."""
    first = await call(sandbox)
    seen = case.seen_by_replay or case.seen

    for _ in range(2):
        await suffer(sandbox, replace(case, seen=seen, code=case.code if seen == case.seen else None))

    assert left_behind(await sandbox.state()) == (1, 1, [200])
    again = await call(sandbox)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["original-request"] == first.headers["request-id"]


@every_fault
async def test_reading(sandbox: Running, case: Case) -> None:
    await call(sandbox)

    await suffer(sandbox, case, "GET")

    assert left_behind(await sandbox.state()) == (1, 1, [200])
    assert len((await call(sandbox, "GET")).json()["data"]) == 1


@every_fault
async def test_creating_without_a_key(sandbox: Running, case: Case) -> None:
    """Nothing is kept, and after the commit the call is done all the same."""
    await suffer(sandbox, case, key=None)

    done = case.kept in {200, 500}
    assert left_behind(await sandbox.state()) == (done, done, [])


async def test_a_request_that_stripe_would_not_execute_is_not_kept_whatever_becomes_of_it(
    sandbox: Running,
) -> None:
    for fault in ("truncate_after_commit", "error_500_after_commit"):
        await sandbox.fault(fault, PATH)
        try:
            answer = await sandbox.http.post(PATH, data={"amount": "x"}, headers={"Idempotency-Key": KEY})
            assert answer.status_code == 400
        except httpx.RemoteProtocolError:
            pass

    assert left_behind(await sandbox.state()) == (0, 0, [])
    assert (await call(sandbox)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "account", "hit"),
    [
        ("GET", "/v1/customers", None, True),
        ("GET", "/v1/customers/", None, True),
        ("*", "/v1/customers", None, True),
        ("GET", "/v1/*", None, True),
        ("GET", "/*/customers", None, True),
        ("GET", "/v1/customers", "", True),
        ("POST", "/v1/customers", None, False),
        ("GET", "/v1", None, False),
        ("GET", "/v1/customer", None, False),
        ("GET", "/v1/*/*", None, False),
        ("GET", "/v1/customers/*", None, False),
        ("GET", "/*", None, False),
        ("GET", "/v1.customers", None, False),
        ("GET", "/v1/customers", "acct_1", False),
    ],
)
async def test_which_calls_are_meant(
    sandbox: Running, method: str, path: str, account: str | None, hit: bool
) -> None:
    await sandbox.fault("error_503", path, method=method, account=account)

    assert (await sandbox.http.get("/v1/customers")).status_code == (503 if hit else 200)


async def test_an_account_is_meant_by_its_header(sandbox: Running) -> None:
    await sandbox.fault("error_503", "/v1/balance", method="GET", account="acct_1")

    statuses = [
        (await sandbox.http.get("/v1/balance", headers={"Stripe-Account": account})).status_code
        for account in ("acct_2", "acct_1", "acct_1")
    ]

    assert statuses == [403, 503, 403]


async def test_a_star_is_one_segment_and_times_run_out(sandbox: Running) -> None:
    intent = await sandbox.intent()
    confirm = f"{PATH}/{intent.id}/confirm"
    await sandbox.fault("error_503", f"{PATH}/*/confirm", times=2)

    assert (await sandbox.http.get(f"{PATH}/{intent.id}")).status_code == 200
    statuses = [
        (await sandbox.http.post(confirm, data={"payment_method": "pm_card_visa"})).status_code
        for _ in range(3)
    ]

    assert statuses == [503, 503, 200]


async def test_faults_wait_for_one_another(sandbox: Running) -> None:
    for fault in ("error_503", "rate_limit_429"):
        await sandbox.fault(fault, "/v1/*")

    assert [(await call(sandbox)).status_code for _ in range(3)] == [503, 429, 200]


async def test_faults_can_be_taken_back(sandbox: Running) -> None:
    await sandbox.fault("error_503", times=100)
    await sandbox.http.delete("/_sandbox/faults")

    assert (await call(sandbox)).status_code == 200


async def test_a_call_that_is_held_does_not_outlive_a_reset(sandbox: Running) -> None:
    await sandbox.fault("latency", latency_ms=1000)
    slow = asyncio.create_task(call(sandbox))
    while not (await sandbox.state())["requests"]:
        pass

    await sandbox.reset()

    with pytest.raises(RESET):
        await slow
    assert left_behind(await sandbox.state()) == (0, 0, [])
