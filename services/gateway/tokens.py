"""Opaque tokens to internal ones: asked at identity, remembered by hash, dropped on revocation."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import grpc

from chassis.errors import TenantSuspended, Unauthenticated, Unavailable
from crm.identity.v1.session_pb2 import (
    ExchangeTokenRequest,
    InternalToken,
    IssueServiceTokenRequest,
)
from services.gateway.exchange import Caller, Metadata
from services.gateway.problems import problem_of
from services.gateway.upstream import Upstreams

SERVICE = "gateway"
SESSIONS = "/crm.identity.v1.SessionService"
ENTRIES_MAX = 10_000
# A feed that is silent for this long means: ask, do not trust.
SILENCE_MAX_S = 5.0
# An internal token must outlive the call that it is sent with.
LIFE_LEFT_S = 10.0
_OPAQUE = re.compile(r"[A-Za-z0-9_.~+/=-]{1,200}")


@dataclass(slots=True)
class _Entry:
    caller: Caller
    asked_at: float


class ServiceToken:
    """The gateway's own internal token, renewed before it expires."""

    def __init__(self, upstreams: Upstreams, secret: str) -> None:
        self._issue = upstreams.unary("identity", f"{SESSIONS}/IssueServiceToken", InternalToken)
        self._request = IssueServiceTokenRequest(service=SERVICE, secret=secret)
        self._token = ""
        self._expires_at = 0.0
        self._renewal = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """GRPC metadata of a call in the gateway's own name; Unavailable while identity is."""
        if time.time() > self._expires_at - LIFE_LEFT_S:
            async with self._renewal:
                if time.time() > self._expires_at - LIFE_LEFT_S:
                    await self._renew()
        return (("authorization", f"Bearer {self._token}"),)

    def forget(self) -> None:
        """Ask for another one at the next call, for example because the keys have changed."""
        self._expires_at = 0.0

    async def _renew(self) -> None:
        try:
            answer = await self._issue(self._request, repeatable=True)
        except grpc.aio.AioRpcError as error:
            # To the caller it makes no difference why the gateway itself is refused.
            raise Unavailable("UNAVAILABLE", "Sign-in does not answer just now.") from error
        self._token = answer.token
        self._expires_at = answer.expire_time.seconds


class Tokens:
    """Who is calling, by opaque access token; at most 10,000 answers are remembered."""

    def __init__(
        self,
        upstreams: Upstreams,
        service_token: ServiceToken,
        silent_for_s: Callable[[], float],
    ) -> None:
        self._ask = upstreams.unary("identity", f"{SESSIONS}/ExchangeToken", InternalToken)
        self._service_token = service_token
        self._silent_for_s = silent_for_s
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Caller]] = {}
        self._drops = 0

    async def caller(self, bearer: str, before_asking: Callable[[], object] = bool) -> Caller:
        """The caller for an access token; Unauthenticated when there is none for it.

        `before_asking` may refuse to ask identity about a token that is not known here.
        """
        if bearer.count(".") >= 2 or not _OPAQUE.fullmatch(bearer):
            # Nothing that looks like an internal token is taken from outside.
            raise invalid_token()
        key = sha256(bearer.encode("ascii")).digest()
        entry = self._entries.get(key)
        if entry is not None and self._fresh(entry):
            self._entries.move_to_end(key)
            return entry.caller
        before_asking()
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._exchange(key, bearer))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        # One caller who goes away does not take the answer from the others.
        return await asyncio.shield(task)

    def drop_session(self, session_id: str) -> None:
        """Forget what is known of a session that has ended."""
        self._drop(lambda caller: caller.session_id == session_id)

    def drop_tenant(self, tenant_id: str) -> None:
        """Forget what is known of everybody in a tenant, because rights have changed."""
        self._drop(lambda caller: caller.tenant_id == tenant_id)

    def drop_all(self) -> None:
        """Forget everything, because events may have been missed."""
        self._drop(lambda _: True)

    def _drop(self, concerned: Callable[[Caller], bool]) -> None:
        self._drops += 1
        for key in [key for key, entry in self._entries.items() if concerned(entry.caller)]:
            del self._entries[key]

    def _fresh(self, entry: _Entry) -> bool:
        if entry.caller.expires_at - time.time() < LIFE_LEFT_S:
            return False
        age_s = time.monotonic() - entry.asked_at
        return age_s < SILENCE_MAX_S or self._silent_for_s() < SILENCE_MAX_S

    async def _exchange(self, key: bytes, bearer: str) -> Caller:
        drops, asked_at = self._drops, time.monotonic()
        metadata = await self._service_token.metadata()
        try:
            request = ExchangeTokenRequest(access_token=bearer)
            answer = await self._ask(request, metadata, repeatable=True)
        except grpc.aio.AioRpcError as error:
            self._entries.pop(key, None)
            raise self._refusal(error) from error
        caller = Caller(
            token=answer.token,
            tenant_id=answer.tenant_id,
            principal_id=answer.principal_id,
            session_id=answer.session_id,
            expires_at=answer.expire_time.seconds,
            restriction=answer.restriction,
        )
        if answer.restriction:
            return caller  # the next request may come after it was put right
        if drops == self._drops:  # else it may be older than the revocation
            self._entries[key] = _Entry(caller, asked_at)
            self._entries.move_to_end(key)
            if len(self._entries) > ENTRIES_MAX:
                self._entries.popitem(last=False)
        return caller

    def _refusal(self, error: grpc.aio.AioRpcError) -> Exception:
        code = error.code()
        if problem_of(error).reason == TenantSuspended().reason:
            return TenantSuspended()
        if code is grpc.StatusCode.PERMISSION_DENIED:
            self._service_token.forget()
            return Unavailable("UNAVAILABLE", "Sign-in does not answer just now.")
        refused = {
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.INVALID_ARGUMENT,
        }
        return invalid_token() if code in refused else error


def bearer_of(authorization: str) -> str:
    """The token of an Authorization header; Unauthenticated when there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("TOKEN_MISSING", "Send an access token in the Authorization header.")
    return token.strip()


def invalid_token() -> Unauthenticated:
    """The error for a token that is expired, revoked or made up; which of them is not told."""
    return Unauthenticated("TOKEN_INVALID", "The access token is not valid any more.")
