"""A pack's page, pure: the job's story for whoever must judge it. It loads nothing and runs nothing.

Whatever people or Stripe wrote is escaped: text becomes `Html` by `text` alone.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from domain.evidence.telling import Facts
from domain.kernel.money import counted

_STYLE: Final = Path(__file__).with_name("page.css")
_SHORT: Final = 10
_SINGULAR: Final[Mapping[str, str]] = {
    "escrows": "Escrow",
    "deposits": "Deposit",
    "withdrawals": "Withdrawal",
    "refunds": "Refund",
    "disputes": "Dispute",
    "adjustments": "Correction",
}
_STRIPE_ID: Final = re.compile(r"(acct|ch|cs|dp|du|pi|pm|po|py|pyr|re|tr|trr|txn)_\w+")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def render(evidence: Facts, *, verifier_digest: str) -> str:
    """The whole page. `verifier_digest`: of the verify.py that is beside it."""
    page = _Page(evidence)
    job = text(evidence["job_id"])
    sections = (
        page.head(),
        page.money(),
        page.timeline(),
        page.trail(),
        page.stripe(),
        page.acts(),
        page.books(),
        page.safeguards(),
        page.checking(verifier_digest),
        page.appendix(),
    )
    # Nothing may be loaded or run, whatever should ever get past the escaping.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evidence of job {job}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>\n{_STYLE.read_text()}</style></head>\n<body><main>\n"
        + "\n".join(sections)
        + "\n</main></body></html>\n"
    )


def text(value: object) -> Html:
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """`class_` is `class`. Content that is no Html is escaped, and so are attributes."""
    told = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{told}>{''.join(map(text, content))}</{name}>")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], classes: str = "") -> Html:
    """`classes`: one letter a column: n for numbers, t for times, anything else for text."""
    marks = [letter if letter in "nt" else "" for letter in classes.ljust(len(headings))]
    head = "".join(tag("th", name, class_=mark) for name, mark in zip(headings, marks, strict=True))
    body = "".join(
        tag("tr", *(tag("td", cell, class_=mark) for cell, mark in zip(row, marks, strict=True)))
        for row in rows
    )
    return Html(
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def money(amount: int, currency: str, *, signed: bool = False) -> Html:
    """`1,234.56 USD`, exact: whole minor units with the point where the currency has it."""
    exponent = counted(currency).exponent
    whole, part = divmod(abs(amount), 10**exponent)
    digits = f"{whole:,}" + (f".{part:0{exponent}d}" if exponent else "")
    sign = "−" if amount < 0 else "+" if signed and amount > 0 else ""
    return tag("span", f"{sign}{digits} {currency}", class_="minus" if amount < 0 else "plus")


def short(digest: str | None) -> Html:
    """The beginning of a hash or an id; all of it under the pointer, and in the printed appendix."""
    if digest is None:
        return Html("–")
    return tag("code", f"{digest[:_SHORT]}…", class_="short", title=digest)


def instant(at: str) -> Html:
    """To the second, as people read it; to the millisecond under the pointer."""
    return tag("time", at[:19].replace("T", " "), datetime=at, title=at)


def words(code: str) -> str:
    return code.replace("_", " ").lower()


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class _Event:
    """`order`: what tells apart what happened in the same millisecond. `is_act`: an administrator's."""

    at: str
    order: int
    what: Html
    more: Html | None = None
    quote: str | None = None
    is_act: bool = False


class _Page:
    def __init__(self, evidence: Facts) -> None:
        self._facts = evidence
        self._names = {party["id"]: party["display_name"] for party in evidence["parties"]}
        self._owners = {wallet["id"]: wallet["owner"] for wallet in evidence["wallets"]}
        self._currencies = {wallet["id"]: wallet["currency"] for wallet in evidence["wallets"]}

    def _of(self, section: str) -> list[Facts]:
        """Also of a pack that was made before there was such a section."""
        found: list[Facts] = self._facts.get(section, [])
        return found

    def _name(self, person: str | None) -> Html:
        if person is None:
            return Html("–")
        return text(self._names[person]) if person in self._names else tag("code", person)

    def _wallet(self, wallet: str) -> Html:
        return Html(f"{self._name(self._owners.get(wallet))}’s wallet")

    def _account(self, account: str) -> Html:
        kind, _, rest = account.partition(":")
        if kind == "wallet":
            wallet, _, part = rest.partition(":")
            return (
                Html(f"{self._wallet(wallet)}, {text(part)}")
                if wallet in self._owners
                else tag("code", account)
            )
        return tag("code", account)

    # ------------------------------------------------------------------ the story

    def head(self) -> Html:
        seal = self._facts["seal"]
        signed = Html(f"Signed by the platform’s key {tag('code', seal['key'])}.")
        parties = [
            tag(
                "div",
                tag("span", " and ".join(party["sides"]).capitalize()),
                tag("b", party["display_name"]),
                tag("code", party["id"], class_="soft"),
                class_="card",
            )
            for party in self._of("parties")
        ]
        return tag(
            "header",
            tag("p", "Evidence of a job", class_="eyebrow"),
            tag("h1", self._facts["job_id"]),
            tag(
                "p",
                Html(f"All that the books hold about this job, as of {instant(self._facts['as_of'])} UTC. "),
                signed if seal["key"] else "Nobody signed this pack.",
            ),
            tag("div", *parties, class_="cards"),
        )

    def money(self) -> Html:
        rows = []
        for escrow in self._of("escrows"):
            moves = [move for move in self._of("moves") if move["escrow"] == escrow["id"]]
            got = {kind: sum(m["net"] for m in moves if m["kind"] == kind) for kind in ("RELEASE", "REFUND")}
            fees = sum(move["fees"] for move in moves)
            charged = got["RELEASE"] + got["REFUND"] + fees + escrow["locked"]
            amounts = (escrow["price"], charged, got["RELEASE"], fees, got["REFUND"], escrow["locked"])
            told = (money(amount, escrow["currency"]) for amount in amounts)
            rows.append(
                (tag("code", escrow["id"]), tag("span", words(escrow["status"]), class_="state"), *told)
            )
        headings = (
            "Escrow",
            "State",
            "Price",
            "Charged",
            "To contractor",
            "To platform",
            "Back to customer",
            "Locked",
        )
        rates = sorted({(e["platform_fee_bps"], e["service_fee_bps"]) for e in self._of("escrows")})
        agreed = "; ".join(
            f"{_percent(on_top)} on top of the price, {_percent(kept)} of it kept from the contractor"
            for on_top, kept in rates
        )
        return Html(
            tag("h2", "The money of the job")
            + table(headings, rows, "  nnnnnn")
            + tag(
                "p",
                f"Fees as agreed: {agreed}. What was charged is what was paid out, and what is locked.",
                class_="note",
            )
        )

    def timeline(self) -> Html:
        events = sorted(self._events(), key=lambda event: (event.at, event.order))
        items = [
            tag(
                "li",
                instant(event.at),
                tag("span", event.what, class_="what"),
                tag("span", event.more, class_="more") if event.more else "",
                tag("blockquote", event.quote) if event.quote else "",
                class_="act" if event.is_act else "step",
            )
            for event in events
        ]
        return Html(tag("h2", "What happened, in order (UTC)") + tag("ol", *items, class_="time"))

    def _events(self) -> Iterator[_Event]:
        for section, noun in _SINGULAR.items():
            for operation in self._of(section):
                yield from self._changes(noun, operation)
        for move in self._of("moves"):
            released = move["kind"] == "RELEASE"
            escrow = next(escrow for escrow in self._of("escrows") if escrow["id"] == move["escrow"])
            receiver = self._name(escrow["contractor"] if released else escrow["owner"])
            moved = money(move["amount"], move["currency"])
            paid, kept = (money(move[name], move["currency"]) for name in ("net", "fees"))
            yield _Event(
                move["created_at"],
                1,
                Html(f"{'Released' if released else 'Refunded'}: {moved} of the price"),
                Html(f"{receiver} got {paid}, the platform {kept}; by {self._actor(move['actor'], escrow)}"),
                move["reason"],
                is_act=move["actor"] == "admin",
            )
        for freeze in self._of("freezes"):
            done = "frozen" if freeze["frozen"] else "unfrozen"
            yield _Event(
                freeze["at"],
                3,
                Html(f"{self._wallet(freeze['wallet'])} {done} ({text(words(freeze['cause']))})"),
                Html(f"by {self._name(freeze['by'])}"),
                freeze["reason"],
                is_act=True,
            )

    def _changes(self, noun: str, operation: Facts) -> Iterator[_Event]:
        amount = money(operation["price" if noun == "Escrow" else "amount"], operation["currency"])
        for number, change in enumerate(operation["history"]):
            of = Html(f" of {amount}") if number == 0 else Html("")
            yield _Event(
                change["at"],
                2,
                Html(f"{noun}{of}: {tag('span', words(change['status']), class_='state')}"),
                Html(f"{tag('code', operation['id'])}, by {self._actor(change['actor'], operation)}"),
                change["reason"],
                is_act=change["actor"] == "admin",
            )

    def _actor(self, actor: str, operation: Facts) -> Html:
        match actor:
            case "owner":
                return self._name(operation["owner"])
            case "other party":
                return self._name(operation.get("contractor"))
            case "admin":
                return Html("an administrator")
            case "webhook":
                return Html("Stripe’s word")
            case _:
                return Html("the platform")

    def trail(self) -> Html:
        rows = []
        for share in self._of("trail"):
            coming = share["direction"] == "IN"
            end, other = ("credit", "debit") if coming else ("debit", "credit")
            beyond = "before what was read" if coming else "still in the wallet"
            place = tag("code", share[f"{end}_operation"]) if share[end] else beyond
            rows.append(
                (
                    "came from" if coming else "went to",
                    self._wallet(share["wallet"]),
                    place,
                    money(share["amount"], self._currencies[share["wallet"]]),
                    Html(f"for {tag('code', share[f'{other}_operation'])}"),
                    f"{share['credit'] or '…'} → {share['debit'] or '…'}",
                )
            )
        told = (
            "Money in a wallet bears no name: the oldest is spent first. That is a convention, and no proof."
        )
        headings = ("", "Wallet", "Operation", "Amount", "Job", "Lines")
        return Html(
            tag("h2", "Where its money came from, and where it went")
            + (table(headings, rows, "   n  ") if rows else "")
            + tag("p", told, class_="note")
        )

    def stripe(self) -> Html:
        movements = [
            (
                instant(one["created_at"]),
                tag("code", one["id"]),
                words(one["category"]),
                tag("code", one["source"]) if one["source"] else "–",
                tag("code", one["operation"]),
                money(one["amount"], one["currency"], signed=True),
                money(one["fee"], one["currency"]),
            )
            for one in self._of("movements")
        ]
        headings = ("Time", "Balance transaction", "Category", "Source", "Operation", "Amount", "Fee")
        ids = [
            (
                tag("code", operation["id"]),
                Html(", ".join(tag("code", found) for found in stripe_ids(operation))),
            )
            for section in _SINGULAR
            for operation in self._of(section)
            if stripe_ids(operation)
        ]
        return Html(
            tag("h2", "At Stripe")
            + (
                table(("Operation", "Stripe’s ids"), ids)
                if ids
                else tag("p", "Stripe had no part in it.", class_="soft")
            )
            + (
                tag("h3", "Movements of the platform’s balance there") + table(headings, movements, "t    nn")
                if movements
                else ""
            )
        )

    # ------------------------------------------------------------------ the books

    def books(self) -> Html:
        lines = []
        for wallet in self._of("wallets"):
            own = [line for line in self._of("lines") if line["_id"]["w"] == wallet["id"]]
            rows = [self._line(line, wallet["currency"]) for line in own]
            heading = tag("h3", self._wallet(wallet["id"]), " ", tag("code", wallet["id"], class_="soft"))
            headings = (
                "Line",
                "Time",
                "Kind",
                "Operation",
                "Available",
                "Held",
                "Available after",
                "Held after",
                "Hash",
            )
            lines.append(
                heading
                + (table(headings, rows, " t  nnnn ") if rows else tag("p", "No line.", class_="soft"))
            )
        note = "Lines of other business are left out: the numbers leap where they are missing."
        return Html(
            tag("h2", "Statement lines")
            + tag("p", note, class_="note")
            + "".join(lines)
            + tag("h2", "Journal entries")
            + table(
                ("Time", "Ref", "Kind", "Postings", "Hash"),
                [self._entry(entry) for entry in self._of("entries")],
                "t",
            )
        )

    def _line(self, line: Facts, currency: str) -> Sequence[object]:
        changes = (money(line[f"{part}_delta"], currency, signed=True) for part in ("available", "held"))
        after = (money(line[f"{part}_after"], currency) for part in ("available", "held"))
        when, operation = instant(line["created_at"]), tag("code", line["operation"])
        return (line["_id"]["s"], when, words(line["kind"]), operation, *changes, *after, short(line["hash"]))

    def _entry(self, entry: Facts) -> Sequence[object]:
        postings = Html("<br>".join(self._posting(p, entry["currency"]) for p in entry["postings"]))
        when = instant(entry["created_at"])
        return (when, tag("code", entry["ref"]), words(entry["kind"]), postings, short(entry["hash"]))

    def _posting(self, posting: Facts, currency: str) -> str:
        source, destination = self._account(posting["source"]), self._account(posting["destination"])
        return f"{money(posting['amount'], currency)}: {source} → {destination}"

    def acts(self) -> Html:
        rows = [
            (
                instant(act["at"]),
                words(act["act"]),
                self._name(act["by"]),
                tag("code", act["subject"]),
                act["reason"] or "–",
                short(act["request_id"]),
            )
            for act in self._of("audit")
        ]
        headings = ("Time", "Act", "By", "Upon", "Reason", "Request")
        none = tag("p", "No administrator had a hand in it.", class_="soft")
        return Html(tag("h2", "What administrators did") + (table(headings, rows, "t") if rows else none))

    def safeguards(self) -> Html:
        rows = [
            (
                one["id"],
                instant(one["checkpoint"]["cut_at"]),
                f"{one['checkpoint']['entries']:,}",
                short(one["checkpoint"]["digest"]),
                short(one["checkpoint"]["key"]),
                short(one["checkpoint"]["signature"]),
            )
            for one in self._of("checkpoints")
        ]
        headings = ("Day", "Cut", "Entries", "Digest", "Key", "Signature")
        none = tag("p", "None of the entries is under a checkpoint yet.", class_="soft")
        return Html(
            tag("h2", "Signed checkpoints of the journal") + (table(headings, rows, " tn") if rows else none)
        )

    def checking(self, verifier_digest: str) -> Html:
        told = (
            "This page is for reading. What counts is evidence.json, and anybody can check it without the "
            "platform, with Python 3.9 or later and nothing else:"
        )
        return Html(
            tag("h2", "How to check this")
            + tag("p", told)
            + tag("pre", "python verify.py --key KEY")
            + tag(
                "p",
                "KEY is the public key that the platform publishes. The SHA-256 of the verify.py in here is ",
                tag("code", verifier_digest),
                "; whoever does not trust it takes the one in the platform’s source.",
            )
        )

    def appendix(self) -> Html:
        """What is short on the screen, for paper."""
        lines = [
            (f"{line['_id']['w']} line {line['_id']['s']}", tag("code", line["hash"]))
            for line in self._of("lines")
        ]
        entries = [(entry["ref"], tag("code", entry["hash"])) for entry in self._of("entries")]
        signatures = [
            (f"checkpoint {one['id']}, {name}", tag("code", one["checkpoint"][name]))
            for one in self._of("checkpoints")
            for name in ("digest", "key", "signature")
        ]
        seal = self._facts["seal"]
        sealed = [(f"the pack’s {name}", tag("code", seal[name] or "none")) for name in ("key", "signature")]
        rows = [*entries, *lines, *signatures, *sealed]
        return tag(
            "section",
            tag("h2", "Appendix: hashes and signatures"),
            table(("Of", "In full"), rows),
            class_="appendix",
        )


def stripe_ids(value: Any) -> list[str]:
    """Whatever in it is an id of Stripe's, once each, sorted."""
    return sorted(set(_found(value)))


def _found(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _STRIPE_ID.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _found(part)
    elif isinstance(value, list):
        for part in value:
            yield from _found(part)


def _percent(bps: int) -> str:
    whole, part = divmod(bps, 100)
    return f"{whole}.{part:02d} %" if part else f"{whole} %"
