"""What a history knows: who is there, what they wanted, and what therefore must be true of every answer."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resolvers.context import Limits
from tests.house import House, Person, intent_of
from tests.invariants.history.deals import Deal
from tests.invariants.history.tally import Tally

# Beyond which no deposit waits to be paid; and no escrow to be accepted, or anything else but for a person.
EXPIRED_MINUTES = 25 * 60
OVER_MINUTES = 8 * 24 * 60
UNAVAILABLE, DECLINED = "PAYMENT_PROVIDER_UNAVAILABLE", "PAYMENT_DECLINED"
SETTLED = {"SUCCEEDED", "CANCELED"}
NO_LONGER_OPEN = {"PROCESSING", "SUCCEEDED", "NEEDS_REVIEW"}
# In an hour, of Redis' clock, which no history outlasts; replays do not count.
DEPOSITS_MAX = 8


@dataclass(eq=False)
class Payer:
    """`keys`: those under which the person asked for a deposit that counted."""

    person: Person
    keys: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Contractor:
    """Somebody who is paid, and takes it out. `keys`: how many were used to ask for an account.

    `ready`: their account was seen to be active, and nothing has happened to it since. `steady`: nor ever.
    """

    person: Person
    keys: int = 0
    ready: bool = False
    steady: bool = True


@dataclass(eq=False)
class Draw:
    """One intention to take money out, under one key; `id` once it is known. The rest: as it was answered."""

    contractor: Contractor
    key: str
    amount: int
    currency: str
    id: str | None = None
    firsts: int = 0
    canceled: bool = False
    approved: bool = False
    rejected: bool = False


@dataclass(eq=False)
class Claim:
    """One intention of an administrator's to refund a deposit, under one key; `id` once it is known."""

    wish: "Wish"
    key: str
    amount: int | None
    id: str | None = None
    firsts: int = 0
    canceled: bool = False


@dataclass(eq=False)
class Correction:
    """One intention of an administrator's to adjust a wallet, under one key; the rest: as it was answered."""

    person: Person
    currency: str
    amount: int
    key: str
    id: str | None = None
    status: str | None = None
    firsts: int = 0


@dataclass(eq=False)
class Card:
    """A saved card. `touched`: somebody asked for its removal, or it may be gone otherwise."""

    payer: Payer
    id: str
    touched: bool = False


@dataclass(eq=False)
class Wish:
    """One intention to pay in, under one key: `command` is createDeposit's input beside that.

    `deposit` and `intent` are ids, and `page` an address, once they are known; they never change again.
    `firsts`: how often it was answered as new.
    """

    payer: Payer
    key: str
    command: Mapping[str, Any]
    card: Card | None = None
    deposit: str | None = None
    intent: str | None = None
    page: str | None = None
    challenge: str | None = None
    firsts: int = 0


class World:
    """`calm` until something went wrong on purpose: from then on Stripe may be out of reach for a while.

    `granted`: what people got that Stripe knows nothing of, by person and currency.
    `frozen`: the wallets that an administrator froze, likewise.
    `shaken`: people of whose payments something went back that nobody here asked for, or was disputed.
    `written_off`: of disputes, by Stripe's ids: how much, and what had come back by then.
    `gone`: accounts that let us in no more, by Stripe's ids. `deaf`: events may never have reached us.
    """

    def __init__(self, house: House, limits: Limits, tally: Tally) -> None:
        self.house = house
        self.limits = limits
        self.tally = tally
        self.calm = True
        self.working = True
        self.reads_broken = 0
        self.payers: list[Payer] = []
        self.wishes: list[Wish] = []
        self.cards: list[Card] = []
        self.contractors: list[Contractor] = []
        self.deals: list[Deal] = []
        self.draws: list[Draw] = []
        self.corrections: list[Correction] = []
        self.claims: list[Claim] = []
        self.shaken: set[str] = set()
        self.written_off: dict[str, tuple[int, int]] = {}
        self.granted: Counter[tuple[str, str]] = Counter()
        self.frozen: set[tuple[str, str]] = set()
        self.gone: set[str] = set()
        self.deaf = False
        self.admins: list[Person] = []

    def users(self) -> list[Payer | Contractor]:
        return [*self.payers, *self.contractors]

    def everybody(self) -> list[Person]:
        """Who has signed in."""
        return [*(user.person for user in self.users()), *self.admins]

    def frozen_for(self, person: Person, currency: str) -> bool | None:
        """Whether nothing may leave the wallet; None where that hangs on disputes and debts."""
        return (person.id, currency) in self.frozen or (None if person.id in self.shaken else False)

    def codes(self, verb: str, payload: Mapping[str, Any]) -> set[str]:
        """Those of the refusals in an answer, counted; none when it was done."""
        codes = {error["code"] for error in payload["userErrors"]}
        for code in codes or {"ok"}:
            self.tally.answers[f"{verb}: {code}"] += 1
        return codes

    # ------------------------------------------------------------------ what answers must be

    def heard_created(self, wish: Wish, payload: Mapping[str, Any]) -> None:
        """One of createDeposit's answers to a wish, whichever of many."""
        deposit, codes = payload["deposit"], self.codes("createDeposit", payload)
        if deposit is None:
            self._heard_refused(wish, codes)
            return
        asked = (wish.command["amount"], wish.command["currency"])
        told = (deposit["amount"]["amount"], deposit["amount"]["currency"])
        must(told == asked, f"the deposit is one of {told}, not of {asked}")
        must(wish.deposit in {None, deposit["id"]}, f"{wish.key} made {wish.deposit} and {deposit['id']}")
        wish.deposit = deposit["id"]
        wish.firsts += not payload["idempotency"]["replayed"]
        must(wish.firsts <= 1, f"{wish.key} was new twice")
        self._must_be_troubled(codes)
        may_be_declined = wish.card is not None or not self.calm
        must(codes <= {UNAVAILABLE} | ({DECLINED} if may_be_declined else set()), f"refused by {codes}")
        self.heard(wish, deposit)
        waits = not codes and deposit["status"] not in SETTLED | {"NEEDS_REVIEW"}
        # A page may have been found when it was closed already.
        waits = waits and (self.calm or not wish.command.get("checkout"))
        way = deposit["clientSecret"] or deposit["checkoutUrl"]
        must(not waits or way is not None or deposit["status"] == "PROCESSING", f"nobody can pay {deposit}")

    def heard(self, wish: Wish, deposit: Mapping[str, Any]) -> None:
        """A deposit as its owner sees it."""
        if (page := deposit["checkoutUrl"]) is not None:
            must(wish.page in {None, page}, f"{deposit['id']} was on {wish.page} and is on {page}")
            wish.page = page
        if deposit["clientSecret"] is None:
            return
        intent = intent_of(deposit)
        must(wish.intent in {None, intent}, f"{deposit['id']} had {wish.intent} and has {intent}")
        wish.intent = intent

    def heard_conflict(self, wish: Wish, payload: Mapping[str, Any]) -> None:
        """The answer to another input under a key that has made a deposit."""
        codes = self.codes("createDeposit", payload)
        must(codes == {"IDEMPOTENCY_KEY_REUSED"}, f"{wish.key} was used again and answered {codes}")
        must(payload["deposit"] is None, "a conflict comes with no deposit")

    def heard_canceled(self, payload: Mapping[str, Any]) -> None:
        codes = self.codes("cancelDeposit", payload)
        status = payload["deposit"]["status"]
        self._must_be_troubled(codes)
        if not codes:
            must(status == "CANCELED", f"cancelDeposit succeeded, and the deposit is {status}")
        elif codes == {"INVALID_STATE"}:
            must(status in NO_LONGER_OPEN, f"cancelDeposit was refused for a deposit that is {status}")
        else:
            must(codes == {UNAVAILABLE}, f"cancelDeposit was refused by {codes}")

    def heard_resolved(self, payload: Mapping[str, Any]) -> None:
        codes = self.codes("resolveDeposit", payload)
        self._must_be_troubled(codes)
        must(codes <= {"INVALID_STATE", UNAVAILABLE}, f"resolveDeposit was refused by {codes}")
        if payload["deposit"] is None:
            must(codes == {"INVALID_STATE"}, f"no deposit and {codes}")

    def heard_of_card(self, verb: str, card: Card, payload: Mapping[str, Any]) -> None:
        codes = self.codes(verb, payload)
        self._must_be_troubled(codes)
        allowed = {UNAVAILABLE, DECLINED} | ({"NOT_FOUND"} if card.touched else set())
        must(codes <= allowed, f"{verb} was refused by {codes}")

    def heard_setup(self, payload: Mapping[str, Any]) -> str | None:
        """The setup intent's client secret, where there is one."""
        codes = self.codes("createSetupIntent", payload)
        self._must_be_troubled(codes)
        must(codes <= {UNAVAILABLE, DECLINED}, f"createSetupIntent was refused by {codes}")
        setup = payload["setupIntent"]
        must((setup is None) == bool(codes), "a setup intent, or why there is none")
        return None if setup is None else str(setup["clientSecret"])

    def _heard_refused(self, wish: Wish, codes: set[str]) -> None:
        must(wish.deposit is None, f"the deposit {wish.deposit} is there, and its replay answers {codes}")
        allowed = set()
        if wish.card is not None and wish.card.touched:
            allowed.add("NOT_FOUND")
        if len(wish.payer.keys - {wish.key}) >= DEPOSITS_MAX:
            allowed.add("RATE_LIMITED")
        if (wish.payer.person.id, wish.command["currency"]) in self.frozen:
            allowed.add("WALLET_FROZEN")
        must(len(codes) == 1 and codes <= allowed, f"createDeposit was refused by {codes}")

    def _must_be_troubled(self, codes: set[str]) -> None:
        must(not (self.calm and UNAVAILABLE in codes), "nothing is broken, and Stripe is said to be away")


def must(holds: object, why: str) -> None:
    """An assertion that says why, also where nothing rewrites asserts."""
    if not holds:
        raise AssertionError(why)
