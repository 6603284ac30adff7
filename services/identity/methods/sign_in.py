"""Signing in: every way to fail looks the same from outside, takes the same time and is counted."""

from collections.abc import Sequence
from datetime import datetime

from chassis.call import Call
from chassis.db.pool import Record
from chassis.errors import InvalidArgument, TenantSuspended
from crm.identity.v1 import session_pb2 as pb
from services.identity.domain.session import (
    CredentialsInvalid,
    PasswordExpired,
    SecondFactorRequired,
)
from services.identity.domain.tenant import ACTIVE
from services.identity.methods.account import Accounts
from services.identity.methods.attempts import Key
from services.identity.methods.candidates import fetch_candidates, kind_and_name
from services.identity.methods.passwords import Passwords
from services.identity.methods.second_factor import SecondFactors
from services.identity.methods.session import Sessions


class SignIn:
    """CreateSession."""

    def __init__(
        self, passwords: Passwords, accounts: Accounts, factors: SecondFactors, sessions: Sessions
    ) -> None:
        self._database = accounts.database
        self._passwords = passwords
        self._attempts = accounts.attempts
        self._factors = factors
        self._sessions = sessions
        self._log = sessions.log

    async def create(self, call: Call, request: pb.CreateSessionRequest) -> pb.Session:
        """Sign in with a name, a password and, where there is one, a second factor."""
        kind, name = kind_and_name(request)
        address, of_name = request.client.address, f"{kind} {request.tenant} {name}"
        candidates = await fetch_candidates(self._database, kind, name, request.tenant, address)
        if any(one["known_here"] for one in candidates):
            # Counted apart, so that whoever guesses elsewhere does not keep the owner out.
            of_name += f" at {address}"
        keys = self._attempts.keys("sign-in", of_name, address)
        await self._attempts.begin(keys, call.now)
        matches = await self._matches(candidates, request.password)
        if not matches:
            self._log.refused(call, request, candidates)
            raise CredentialsInvalid
        if len(matches) > 1:
            await self._attempts.undecided(keys)
            raise InvalidArgument("TENANT_REQUIRED", "Name the tenant that you sign in to.")
        await self._require_more(call.now, matches[0], request.code, keys)
        await self._attempts.succeeded(keys)
        return await self._sessions.open(call, matches[0], request.client)

    async def _matches(self, candidates: Sequence[Record], password: str) -> list[Record]:
        if not candidates:
            await self._passwords.matches(None, password)
        return [
            one
            for one in candidates
            if await self._passwords.matches(one["password_hash"], password)
            and one["state"] == "ACTIVE"
        ]

    async def _require_more(
        self, now: datetime, account: Record, code: str, keys: Sequence[Key]
    ) -> None:
        """What is asked of those only who know the password, so that it tells nobody else
        anything.
        """
        if account["tenant_state"] != ACTIVE:
            await self._attempts.undecided(keys)
            raise TenantSuspended
        if account["second_factor_enabled"]:
            if not code:
                # Neither a failure nor a success: or a wrong code now and then would be forgotten.
                await self._attempts.undecided(keys)
                raise SecondFactorRequired
            await self._factors.require(str(account["tenant_id"]), str(account["id"]), code, now)
        if account["expire_time"] is not None and account["expire_time"] <= now:
            await self._attempts.undecided(keys)
            raise PasswordExpired
