"""Admits a call: token, tenant, rights, deadline, idempotency key; builds the Call that the method
gets.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

from google.protobuf.message import Message

from chassis.access.model import Access
from chassis.call import MEMBERS, Call, IdempotencyKey, Principal, SessionRestricted
from chassis.custom_fields.model import NO_CUSTOM_FIELDS, CustomFields
from chassis.errors import InvalidArgument, PermissionDenied, TenantSuspended, Unauthenticated
from chassis.ids import new_id
from chassis.rpc.methods import MethodFacts
from chassis.rpc.token import TokenVerifier

DEADLINE_MAX_S = 60.0
BEARER = "Bearer "
_HEADER = re.compile(r"[\x20-\x7e]{1,255}\Z")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
ANONYMOUS = Principal(kind="anonymous", id="")
NO_ACCESS = Access()

# A tenant's own fields.
CustomSource = Callable[[str], Awaitable[CustomFields]]


class AccessSource(Protocol):
    """Access of a principal's tenant."""

    async def __call__(self, principal: Principal) -> Access:
        """As it is known here."""

    async def renew(self, principal: Principal) -> Access:
        """As identity has it by now."""


class Context(Protocol):
    """What is used of grpc.aio.ServicerContext."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Metadata of the call."""

    def time_remaining(self) -> float | None:
        """Seconds until the deadline."""


class Authority:
    """Decides who is calling and whether the method is open to him."""

    def __init__(self, verifier: TokenVerifier, access: AccessSource, custom: CustomSource) -> None:
        self._verifier = verifier
        self._access = access
        self._custom = custom

    async def admit(self, facts: MethodFacts, request: Message | None, context: Context) -> Call:
        """The call, when its token is good and its roles allow the method; else an error for the
        caller.
        """
        metadata = dict(context.invocation_metadata() or ())
        principal = await self._principal(facts, metadata)
        access, custom = NO_ACCESS, NO_CUSTOM_FIELDS
        if principal.kind in MEMBERS:
            access = await self._access(principal)
            principal = _present(access, principal)
            custom = await self._custom(principal.tenant_id)
        call = Call(
            principal=principal,
            access=access,
            method=facts.full_name,
            now=datetime.now(UTC),
            deadline=asyncio.get_running_loop().time() + _remaining(context),
            request_id=_header(metadata, "x-request-id") or new_id(),
            traceparent=_traceparent(metadata),
            through=_through(principal, metadata),
            cause_id=_header(metadata, "x-cause-id"),
            if_match=_header(metadata, "if-match"),
            idempotency=_idempotency(facts, metadata, request),
            custom=custom,
        )
        _check_rights(facts, call)
        return call

    async def renewed(self, call: Call) -> Call:
        """The call with access as identity has it by now."""
        return replace(call, access=await self._access.renew(call.principal))

    async def _principal(
        self, facts: MethodFacts, metadata: Mapping[str, str | bytes]
    ) -> Principal:
        if facts.access.open:
            return ANONYMOUS
        authorization = metadata.get("authorization")
        if not isinstance(authorization, str) or not authorization.startswith(BEARER):
            raise Unauthenticated("TOKEN_MISSING", "The call carries no internal token.")
        return await self._verifier.verify(authorization[len(BEARER) :])


def _present(access: Access, principal: Principal) -> Principal:
    """The principal with those of his token's roles that he still has; Unauthenticated once he may
    not work any more, TenantSuspended while nobody of his tenant may.
    """
    if access.suspended:
        raise TenantSuspended
    member = access.members.get(principal.id)
    if member is None or not member.active:
        raise Unauthenticated("USER_INACTIVE", "The user may not work any more.")
    if set(principal.role_ids) <= set(member.role_ids):
        return principal
    kept = tuple(one for one in principal.role_ids if one in member.role_ids)
    return replace(principal, role_ids=kept)


def _check_rights(facts: MethodFacts, call: Call) -> None:
    rule, kind = facts.access, call.principal.kind
    if rule.open:
        return
    own = kind == "user" or (rule.clients and kind == "client")
    if (rule.internal and kind != "service") or (rule.self and not own):
        raise PermissionDenied("METHOD_NOT_OPEN", "This method is not open to the caller.")
    if call.principal.restriction and not rule.restricted:
        raise SessionRestricted(call.principal.restriction)
    if rule.resource:
        call.reach(rule.resource, rule.verb.upper())


def _remaining(context: Context) -> float:
    remaining = context.time_remaining()
    if remaining is None:
        raise InvalidArgument("DEADLINE_MISSING", "The call carries no deadline.")
    return min(remaining, DEADLINE_MAX_S)


def _header(metadata: Mapping[str, str | bytes], name: str) -> str:
    value = metadata.get(name, "")
    if not value:
        return ""
    if not isinstance(value, str) or not _HEADER.match(value):
        raise InvalidArgument(
            "HEADER_INVALID",
            f"{name} must be 1 to 255 printable ASCII characters.",
            metadata={"header": name},
        )
    return value


def _traceparent(metadata: Mapping[str, str | bytes]) -> str:
    value = metadata.get("traceparent", "")
    return value if isinstance(value, str) and _TRACEPARENT.match(value) else ""


def _through(principal: Principal, metadata: Mapping[str, str | bytes]) -> str:
    """What the change is made through; work that a service goes on with for somebody names
    itself.
    """
    value = metadata.get("x-through")
    if not principal.session_id and value in {"import", "rule", "bulk"}:
        return str(value)
    return "integration" if principal.kind == "client" else "user"


def _idempotency(
    facts: MethodFacts, metadata: Mapping[str, str | bytes], request: Message | None
) -> IdempotencyKey | None:
    key = _header(metadata, "idempotency-key")
    if not key or request is None or not facts.keyed:
        return None
    body = request.SerializeToString(deterministic=True)
    return IdempotencyKey(facts.full_name, key, sha256(body).hexdigest())
