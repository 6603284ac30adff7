"""Work that goes on for a user: his present rights, asked for again before every batch."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from chassis.access.model import Access
from chassis.call import Call, Principal
from chassis.custom_fields.source import CustomFieldSource
from chassis.ids import new_id
from chassis.rpc.token import TokenVerifier

# A role that is taken away counts everywhere within five seconds.
TOKEN_AGE_MAX_S = 4.0
BATCH_MAX_S = 15.0

# (tenant, user) -> an internal token with the user's present rights
IssueToken = Callable[[str, str], Awaitable[str]]
AccessSource = Callable[[Principal], Awaitable[Access]]


@dataclass(frozen=True, slots=True)
class Deputy:
    """A user's present rights for one batch; `token` shows them to other services."""

    call: Call
    token: str


class Deputies:
    """Makes the calls of deferred work."""

    def __init__(
        self,
        issue: IssueToken,
        verifier: TokenVerifier,
        access: AccessSource,
        custom: CustomFieldSource,
    ) -> None:
        self._issue = issue
        self._verifier = verifier
        self._access = access
        self._custom = custom
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    async def act(self, tenant_id: str, user_id: str, through: str, cause_id: str) -> Deputy:
        """The user's call of this moment; Unauthenticated when he may not work any more."""
        token = await self._token(tenant_id, user_id)
        principal = await self._verifier.verify(token)
        call = Call(
            principal=principal,
            access=await self._access(principal),
            method=through,
            now=datetime.now(UTC),
            deadline=asyncio.get_running_loop().time() + BATCH_MAX_S,
            request_id=new_id(),
            through=through,
            cause_id=cause_id,
            custom=await self._custom(tenant_id),
        )
        return Deputy(call, token)

    async def _token(self, tenant_id: str, user_id: str) -> str:
        now = time.monotonic()
        known = self._tokens.get((tenant_id, user_id))
        if known is not None and now - known[1] < TOKEN_AGE_MAX_S:
            return known[0]
        self._tokens = {
            who: one for who, one in self._tokens.items() if now - one[1] < TOKEN_AGE_MAX_S
        }
        token = await self._issue(tenant_id, user_id)
        self._tokens[tenant_id, user_id] = (token, now)
        return token
