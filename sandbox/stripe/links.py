"""Links that Stripe hands out for a person: each opens once, within minutes, and leads to a session.

The link is what the API made; whoever opens it first holds the session, whose address is a secret of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .objects import Object, shaped

if TYPE_CHECKING:
    from .store import Store, Stored
    from .transaction import Tx

OPENS_S = 300
"""Virtual seconds within which a link must be opened: Stripe says "a few minutes", and shows five."""
SESSION_S = 3600
SECRET_LENGTH = 32


def mint(tx: Tx, kind: str, path: str, *, account: str, fields: Object, **remembered: Any) -> Object:
    """A link as the API shows it. It has no id at Stripe, so here its secret is the id, and shown nowhere."""
    secret = tx.ids.text(kind, SECRET_LENGTH)
    body = shaped(kind, {"object": kind, "created": tx.now, "url": f"{tx.base_url}{path}/{secret}", **fields})
    tx.insert({"id": secret, **body}, {"account": account, "session": None, **remembered})
    return body


def find(store: Store, kind: str, secret: str) -> Stored | None:
    return store.find(kind, secret, account="")


def open_session(tx: Tx, link: Stored) -> str | None:
    """The secret of a session that begins now. None: the link was opened before, or is too old."""
    if link.private["session"] is not None or link.body["created"] + OPENS_S <= tx.now:
        return None
    session = tx.ids.text("session", SECRET_LENGTH)
    began = {"session": session, "until": tx.now + SESSION_S}
    tx.store.update_private(link.body["id"], link.private | began)
    return session


def of_session(store: Store, kind: str, session: str) -> Stored | None:
    """The link that a session came by, whether the session still lasts or not."""
    found = store.all_objects(kind, where="json_extract(private, '$.session') = ?", values=(session,))
    return found[0] if found else None


def lasts(link: Stored, *, now: float) -> bool:
    return bool(now < link.private["until"])


def end_session(tx: Tx, link: Stored) -> None:
    """It did what it was for."""
    tx.store.update_private(link.body["id"], link.private | {"until": tx.now, "ended": True})
