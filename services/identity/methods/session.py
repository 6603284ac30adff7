"""Sessions: signing in, refreshing, signing out, and the tokens that go with them."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from joserfc.jwk import OKPKey
from sqlalchemy import Select, bindparam, func, insert, select, update

from chassis.access.source import micros
from chassis.call import Call, Principal
from chassis.codec import invalid_fields
from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import statement
from chassis.errors import InvalidArgument, Unauthenticated
from chassis.ids import new_id
from crm.identity.v1 import session_pb2 as pb
from services.identity.domain.session import (
    ACCESS_LIFETIME,
    CredentialsInvalid,
    SessionInvalid,
    SessionState,
    is_open,
    is_reuse,
    lifetimes,
)
from services.identity.methods.access_time import access_time
from services.identity.methods.issue import internal_token
from services.identity.methods.organisation import company_of
from services.identity.methods.passwords import Passwords
from services.identity.methods.revoke import revoke_session, revoke_sessions
from services.identity.methods.sign_in_log import SignInLog
from services.identity.methods.user import SET_PASSWORD
from services.identity.models.tenant import tenant
from services.identity.models.user import credential, session, user

# The same name in so many tenants is tried at sign-in without a tenant, no more.
CANDIDATES_MAX = 5
# Ends the part of a refresh token that is the same for the whole session.
FAMILY_END = "."


def _candidates(by: str) -> Select[tuple[object, ...]]:
    return (
        select(user.c.tenant_id, user.c.id, user.c.state, tenant.c.slug, credential.c.password_hash)
        .join(tenant, tenant.c.tenant_id == user.c.tenant_id)
        .join(
            credential,
            (credential.c.tenant_id == user.c.tenant_id) & (credential.c.user_id == user.c.id),
            isouter=True,
        )
        .where(func.lower(user.c[by]) == bindparam("name"), user.c.delete_time.is_(None))
        .limit(bindparam("limit"))
    )


_BY_NAME = {by: statement(_candidates(by)) for by in ("login", "email")}
_BY_NAME_IN_TENANT = {
    by: statement(_candidates(by).where(tenant.c.slug == bindparam("slug")))
    for by in ("login", "email")
}
_NEW = statement(
    insert(session).values({column.name: bindparam(column.name) for column in session.c})
)
_BY_FAMILY = statement(
    select(session.c.tenant_id, session.c.id).where(session.c.family_hash == bindparam("hash"))
)
_LOCKED = statement(
    select(session)
    .where(session.c.tenant_id == bindparam("tenant_id"), session.c.id == bindparam("session_id"))
    .with_for_update()
)
_ROTATE = statement(
    update(session)
    .values(
        access_hash=bindparam("access_hash"),
        refresh_hash=bindparam("refresh_hash"),
        access_expire_time=bindparam("access_expire_time"),
        expire_time=bindparam("expire_time"),
        update_time=bindparam("update_time"),
    )
    .where(session.c.tenant_id == bindparam("tenant_id"), session.c.id == bindparam("session_id"))
)
_USER = select(
    user.c.tenant_id,
    user.c.id,
    user.c.role_ids,
    user.c.department_id,
    user.c.state,
    user.c.delete_time,
).add_columns(access_time(user.c.tenant_id))
_BY_ACCESS = statement(
    _USER.add_columns(
        session.c.id.label("session_id"),
        session.c.access_expire_time,
        session.c.expire_time,
        session.c.revoke_time,
    )
    .join(session, (session.c.tenant_id == user.c.tenant_id) & (session.c.user_id == user.c.id))
    .where(session.c.access_hash == bindparam("hash"))
)
_BY_ID = statement(
    _USER.where(user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("user_id"))
)
_PASSWORD = statement(
    select(credential.c.password_hash).where(
        credential.c.tenant_id == bindparam("tenant_id"),
        credential.c.user_id == bindparam("user_id"),
    )
)


class Sessions:
    """The methods of SessionService that are about people."""

    def __init__(
        self, database: Database, passwords: Passwords, key: OKPKey, log: SignInLog
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._key = key
        self._log = log

    async def create(self, call: Call, request: pb.CreateSessionRequest) -> pb.Session:
        """Sign in; every way to fail looks the same from outside and takes the same time."""
        by, name = ("email", request.email) if request.email else ("login", request.login)
        if not name:
            raise invalid_fields([("login", "Login or e-mail is required.")])
        async with self._database.worker() as tx:
            values = {"name": name.lower(), "slug": request.tenant, "limit": CANDIDATES_MAX}
            run = (_BY_NAME_IN_TENANT if request.tenant else _BY_NAME)[by]
            candidates = await tx.fetch(run, values)
        if not candidates:
            await self._passwords.matches(None, request.password)
        matches = [
            one
            for one in candidates
            if await self._passwords.matches(one["password_hash"], request.password)
            and one["state"] == "ACTIVE"
        ]
        if not matches:
            self._log.refused(call, request, candidates)
            raise CredentialsInvalid
        if len(matches) > 1:
            raise InvalidArgument("TENANT_REQUIRED", "Name the tenant that you sign in to.")
        return await self._open(call, str(matches[0]["tenant_id"]), str(matches[0]["id"]))

    async def refresh(self, call: Call, request: pb.RefreshSessionRequest) -> pb.Session:
        """The next pair of tokens; a refresh token that was used before ends the session."""
        presented, family = _hash(request.refresh_token), _family(request.refresh_token)
        async with self._database.worker() as tx:
            found = await tx.fetch_row(_BY_FAMILY, {"hash": _hash(family)})
        if found is None:
            raise SessionInvalid
        tenant_id, session_id = str(found["tenant_id"]), str(found["id"])
        async with self._database.transaction(tenant_id) as tx:
            row = await tx.fetch_row(_LOCKED, {"tenant_id": tenant_id, "session_id": session_id})
            if row is None or not is_open(_state(row), call.now):
                raise SessionInvalid
            who = (tenant_id, session_id, str(row["user_id"]))
            answer, values = _fresh(call.now, who, family)
            reused = is_reuse(_state(row), presented)
            if reused:
                await revoke_session(_acting(call, tenant_id), tx, session_id, str(row["user_id"]))
            else:
                await tx.execute(_ROTATE, {**values, "session_id": session_id})
        if reused:
            raise SessionInvalid
        return answer

    async def delete(
        self, call: Call, tx: Tx, _request: pb.DeleteSessionRequest
    ) -> pb.DeleteSessionResponse:
        """Sign out."""
        await revoke_session(call, tx, call.principal.session_id, call.principal.id)
        return pb.DeleteSessionResponse()

    async def change_password(
        self, call: Call, request: pb.ChangePasswordRequest
    ) -> pb.ChangePasswordResponse:
        """Replace the password; all sessions of the user end, the present one too."""
        who = {"tenant_id": call.tenant_id, "user_id": call.principal.id}
        async with self._database.transaction(call.tenant_id) as tx:
            row = await tx.fetch_row(_PASSWORD, who)
        if not await self._passwords.matches(
            row["password_hash"] if row else None, request.old_password
        ):
            raise invalid_fields([("old_password", "The password is wrong.")])
        hashed = await self._passwords.hash(request.new_password)
        async with self._database.transaction(call.tenant_id) as tx:
            values = {**who, "password_hash": hashed, "update_time": call.now}
            await tx.execute(SET_PASSWORD, values)
            await self._log.password_changed(call, tx, call.principal.id)
            await revoke_sessions(call, tx, call.principal.id)
        return pb.ChangePasswordResponse()

    async def exchange(self, call: Call, request: pb.ExchangeTokenRequest) -> pb.InternalToken:
        """An internal token for an opaque one; Unauthenticated when it is unknown, expired or
        revoked.
        """
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_ACCESS, {"hash": _hash(request.access_token)})
            company_id = await company_of(tx, row) if row else ""
        if row is None or row["revoke_time"] is not None or not _is_active(row):
            raise SessionInvalid
        if min(row["access_expire_time"], row["expire_time"]) <= call.now:
            raise Unauthenticated(
                "TOKEN_EXPIRED", "The access token has expired; refresh the session."
            )
        return self._token(_principal(row, str(row["session_id"]), company_id), call.now)

    async def act_for(self, tenant_id: str, user_id: str) -> pb.InternalToken:
        """A token with a user's present rights; Unauthenticated when he may not work any more."""
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_ID, {"tenant_id": tenant_id, "user_id": user_id})
            company_id = await company_of(tx, row) if row else ""
        if row is None or not _is_active(row):
            raise Unauthenticated("USER_INACTIVE", "The user may not work any more.")
        return self._token(_principal(row, "", company_id), datetime.now(UTC))

    def service_token(self, service: str) -> pb.InternalToken:
        """A token for one of our own services."""
        return self._token(Principal(kind="service", id=service), datetime.now(UTC))

    async def _open(self, call: Call, tenant_id: str, user_id: str) -> pb.Session:
        family = f"crm_rt_{secrets.token_urlsafe(16)}"
        answer, values = _fresh(call.now, (tenant_id, new_id(), user_id), family)
        async with self._database.transaction(tenant_id) as tx:
            await tx.execute(
                _NEW,
                {
                    **values,
                    "id": answer.id,
                    "user_id": user_id,
                    "revoke_time": None,
                    "create_time": call.now,
                    "last_seen_time": call.now,
                },
            )
            await self._log.opened(call, tx, (tenant_id, answer.id, user_id))
        return answer

    def _token(self, principal: Principal, now: datetime) -> pb.InternalToken:
        return internal_token(self._key, principal, now)


def _fresh(
    now: datetime, who: tuple[str, str, str], family: str
) -> tuple[pb.Session, dict[str, object]]:
    """New tokens as the caller gets them, and what the database keeps of them.

    `who` is tenant, session and user; `family` begins every refresh token of the session.
    """
    tenant_id, session_id, user_id = who
    access = f"crm_at_{secrets.token_urlsafe(32)}"
    refresh = f"{family}{FAMILY_END}{secrets.token_urlsafe(32)}"
    ends = lifetimes(now)
    answer = pb.Session(
        id=session_id,
        access_token=access,
        refresh_token=refresh,
        token_type="Bearer",  # noqa: S106  # the name of a scheme, RFC 6750
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
        user_id=user_id,
        tenant_id=tenant_id,
    )
    answer.expire_time.FromDatetime(ends.expire_time)
    return answer, {
        "tenant_id": tenant_id,
        "access_hash": _hash(access),
        "family_hash": _hash(family),
        "refresh_hash": _hash(refresh),
        "access_expire_time": ends.access_expire_time,
        "expire_time": ends.expire_time,
        "update_time": now,
    }


def _family(refresh_token: str) -> str:
    return refresh_token.partition(FAMILY_END)[0]


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _state(row: Record) -> SessionState:
    return SessionState(row["expire_time"], row["revoke_time"], row["refresh_hash"])


def _is_active(row: Record) -> bool:
    return row["state"] == "ACTIVE" and row["delete_time"] is None


def _principal(row: Record, session_id: str, company_id: str) -> Principal:
    return Principal(
        kind="user",
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        session_id=session_id,
        role_ids=tuple(str(one) for one in row["role_ids"]),
        partner_company_id=company_id,
        access_version=micros(row["access_time"]),
    )


def _acting(call: Call, tenant_id: str) -> Call:
    """The same call, within the tenant that its token turned out to belong to."""
    return replace(call, principal=replace(call.principal, tenant_id=tenant_id))
