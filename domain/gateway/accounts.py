"""Connected accounts, and the links by which their owners reach Stripe's pages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.gateway.attempts import Attempt
from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.connect_objects import Account, AccountLink


class AccountCalls(Calls):
    async def create_account(self, attempt: Attempt, *, lease_until: datetime) -> Account:
        """The account as it was when it was made: a replay shows it so, whatever it has become since."""
        create = self._client.v1.accounts.create_async
        answer = await self._send("accounts.create", create, attempt, lease_until)
        return parsed(Account.of, answer.to_dict())

    async def account(self, account_id: str) -> Account:
        """Raises Misuse, and with it an alert, for an account that does not let us in (a 403)."""
        retrieve = self._client.v1.accounts.retrieve_async
        answer = await self._ask("accounts.retrieve", retrieve, account_id, None, READ)
        return parsed(Account.of, answer.to_dict())

    async def find_account(self, *, since: datetime, metadata: Mapping[str, str]) -> Account | None:
        """The account, made at `since` or later, that carries `metadata`; None if there is none."""
        created = {"created": {"gte": int(since.timestamp())}}
        async for raw in self._all("accounts.list", self._client.v1.accounts.list_async, created):
            if metadata.items() <= (raw.get("metadata") or {}).items():
                return Account.of(raw)
        return None

    async def create_account_link(self, account_id: str, *, return_url: str, refresh_url: str) -> AccountLink:
        """Without a stored attempt: a link that nobody knows of does no harm."""
        parameters: Any = {
            "account": account_id,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": refresh_url,
            # Everything at once: who has to come back for more later often does not.
            "collection_options": {"fields": "eventually_due"},
        }
        create = self._client.v1.account_links.create_async
        answer = await self._ask("account_links.create", create, parameters)
        return parsed(AccountLink.of, answer.to_dict())

    async def create_login_link(self, account_id: str) -> str:
        """The address of the account's Express dashboard, for one visit. Raises Refused before onboarding."""
        create = self._client.v1.accounts.login_links.create_async
        answer = await self._ask("accounts.login_links.create", create, account_id)
        return parsed(lambda raw: str(raw["url"]), answer.to_dict())
