"""Sessions as they are opened and refreshed, and the internal tokens that go with them."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime

from joserfc.jwk import OKPKey
from sqlalchemy import bindparam, insert, literal_column, select, update

from chassis.access.source import micros
from chassis.call import Call, Principal
from chassis.db.pool import Database, Record
from chassis.db.sql import statement
from chassis.errors import Unauthenticated
from chassis.ids import new_id
from crm.identity.v1 import session_pb2 as pb
from services.identity.domain.session import (
    ACCESS_LIFETIME,
    PASSWORD_CHANGE_REQUIRED,
    SECOND_FACTOR_ENROLMENT_REQUIRED,
    SESSIONS_MAX,
    CredentialsInvalid,
    SessionInvalid,
    SessionState,
    is_open,
    is_reuse,
    lifetimes,
    restriction,
)
from services.identity.domain.tenant import require_active
from services.identity.methods.access_time import access_time
from services.identity.methods.issue import internal_token
from services.identity.methods.opaque import hash_of, new_token
from services.identity.methods.organisation import company_of
from services.identity.methods.revoke import revoke_session
from services.identity.methods.sign_in_log import SignInLog
from services.identity.models.tenant import tenant
from services.identity.models.user import credential, session, user

# Ends the part of a refresh token that is the same for the whole session.
FAMILY_END = "."

_NEW = statement(
    insert(session).values({column.name: bindparam(column.name) for column in session.c})
)
_DUTIES = (
    user.c.password_change_required,
    user.c.second_factor_enabled,
    tenant.c.second_factor_required,
    tenant.c.state.label("tenant_state"),
)
_BY_FAMILY = statement(
    select(session.c.tenant_id, session.c.id, session.c.user_id, *_DUTIES)
    .join(user, (user.c.tenant_id == session.c.tenant_id) & (user.c.id == session.c.user_id))
    .join(tenant, tenant.c.tenant_id == session.c.tenant_id)
    .where(session.c.family_hash == bindparam("hash"))
)
_LOCKED = statement(
    select(session)
    .where(session.c.tenant_id == bindparam("tenant_id"), session.c.id == bindparam("session_id"))
    .with_for_update()
)
# What a sign-in was decided by, as it is now and stays until the session is there.
_ACCOUNT = statement(
    select(user.c.state, user.c.delete_time, credential.c.password_hash)
    .join(
        credential,
        (credential.c.tenant_id == user.c.tenant_id) & (credential.c.user_id == user.c.id),
    )
    .where(user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("user_id"))
    .with_for_update(read=True)
)
# More open sessions than these end with the next sign-in, the oldest first: all of a user's must be
# ended in one transaction.
_SURPLUS = statement(
    select(session.c.id)
    .where(
        session.c.tenant_id == bindparam("tenant_id"),
        session.c.user_id == bindparam("user_id"),
        session.c.revoke_time.is_(None),
    )
    .order_by(session.c.create_time.desc(), session.c.id.desc())
    .offset(literal_column(str(SESSIONS_MAX)))
)
_ROTATE = statement(
    update(session)
    .values(
        access_hash=bindparam("access_hash"),
        refresh_hash=bindparam("refresh_hash"),
        access_expire_time=bindparam("access_expire_time"),
        expire_time=bindparam("expire_time"),
        update_time=bindparam("update_time"),
        last_seen_time=bindparam("update_time"),
        address=bindparam("address"),
        user_agent=bindparam("user_agent"),
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
        *_DUTIES,
    )
    .join(tenant, tenant.c.tenant_id == user.c.tenant_id)
    .join(session, (session.c.tenant_id == user.c.tenant_id) & (session.c.user_id == user.c.id))
    .where(session.c.access_hash == bindparam("hash"))
)
_BY_ID = statement(
    _USER.add_columns(tenant.c.state.label("tenant_state"))
    .join(tenant, tenant.c.tenant_id == user.c.tenant_id)
    .where(user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("user_id"))
)


class Sessions:
    """The methods of SessionService about tokens."""

    def __init__(self, database: Database, key: OKPKey, log: SignInLog) -> None:
        self._database = database
        self._key = key
        self.log = log

    async def open(self, call: Call, account: Record, client: pb.Client) -> pb.Session:
        """A session for an account that has proven who it is; CredentialsInvalid when it was
        disabled, or its password changed, meanwhile.
        """
        family = f"crm_rt_{secrets.token_urlsafe(16)}"
        answer, values = _fresh(call.now, new_id(), account, family)
        row = {
            **values,
            **_seen(client),
            "id": answer.id,
            "user_id": answer.user_id,
            "revoke_time": None,
            "last_seen_time": call.now,
            "create_time": call.now,
        }
        async with self._database.transaction(answer.tenant_id) as tx:
            now = await tx.fetch_row(_ACCOUNT, row)
            if now is None or not _is_active(now):
                raise CredentialsInvalid
            if now["password_hash"] != account["password_hash"]:
                raise CredentialsInvalid
            await tx.execute(_NEW, row)
            for old in await tx.fetch(_SURPLUS, row):
                acting = _acting(call, answer.tenant_id)
                await revoke_session(acting, tx, str(old["id"]), answer.user_id)
            await self.log.opened(call, tx, (answer.tenant_id, answer.id, answer.user_id))
        return answer

    async def refresh(self, call: Call, request: pb.RefreshSessionRequest) -> pb.Session:
        """The next pair of tokens; a refresh token that was used before ends the session."""
        presented, family = hash_of(request.refresh_token), _family(request.refresh_token)
        async with self._database.worker() as tx:
            found = await tx.fetch_row(_BY_FAMILY, {"hash": hash_of(family)})
        if found is None:
            raise SessionInvalid
        tenant_id, session_id = str(found["tenant_id"]), str(found["id"])
        async with self._database.transaction(tenant_id) as tx:
            row = await tx.fetch_row(_LOCKED, {"tenant_id": tenant_id, "session_id": session_id})
            if row is None or not is_open(_state(row), call.now):
                raise SessionInvalid
            require_active(found["tenant_state"])
            account = {**found, "id": found["user_id"]}
            answer, values = _fresh(call.now, session_id, account, family)
            reused = is_reuse(_state(row), presented)
            if reused:
                await revoke_session(_acting(call, tenant_id), tx, session_id, str(row["user_id"]))
            else:
                seen = _seen(request.client)
                await tx.execute(_ROTATE, {**values, **seen, "session_id": session_id})
        if reused:
            raise SessionInvalid
        return answer

    async def exchange(self, call: Call, request: pb.ExchangeTokenRequest) -> pb.InternalToken:
        """An internal token for an opaque one; Unauthenticated when it is unknown, expired or
        revoked.
        """
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_ACCESS, {"hash": hash_of(request.access_token)})
            company_id = await company_of(tx, row) if row else ""
        if row is None or row["revoke_time"] is not None or not _is_active(row):
            raise SessionInvalid
        if min(row["access_expire_time"], row["expire_time"]) <= call.now:
            raise Unauthenticated(
                "TOKEN_EXPIRED", "The access token has expired; refresh the session."
            )
        require_active(row["tenant_state"])
        principal = replace(_principal(row, company_id), session_id=str(row["session_id"]))
        duty = _duty(row)
        if duty:
            # Without roles he can do nothing, even where somebody forgets the restriction.
            principal = replace(principal, restriction=duty, role_ids=())
        return self._token(principal, call.now)

    async def act_for(self, tenant_id: str, user_id: str) -> pb.InternalToken:
        """A token with a user's present rights; Unauthenticated when he may not work any more."""
        async with self._database.worker() as tx:
            row = await tx.fetch_row(_BY_ID, {"tenant_id": tenant_id, "user_id": user_id})
            company_id = await company_of(tx, row) if row else ""
        if row is None or not _is_active(row):
            raise Unauthenticated("USER_INACTIVE", "The user may not work any more.")
        require_active(row["tenant_state"])
        return self._token(_principal(row, company_id), datetime.now(UTC))

    def service_token(self, service: str) -> pb.InternalToken:
        """A token for one of our own services."""
        return self._token(Principal(kind="service", id=service), datetime.now(UTC))

    def _token(self, principal: Principal, now: datetime) -> pb.InternalToken:
        return internal_token(self._key, principal, now)


def _fresh(
    now: datetime, session_id: str, account: Record, family: str
) -> tuple[pb.Session, dict[str, object]]:
    """New tokens as the caller gets them, and what the database keeps of them.

    `account` has tenant, id and duties of the user; `family` begins all refresh tokens of the
    session.
    """
    access, refresh = new_token("crm_at_"), new_token(f"{family}{FAMILY_END}")
    ends, duty = lifetimes(now), _duty(account)
    answer = pb.Session(
        id=session_id,
        access_token=access,
        refresh_token=refresh,
        token_type="Bearer",  # noqa: S106  # the name of a scheme, RFC 6750
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
        user_id=str(account["id"]),
        tenant_id=str(account["tenant_id"]),
        password_change_required=duty == PASSWORD_CHANGE_REQUIRED,
        second_factor_required=duty == SECOND_FACTOR_ENROLMENT_REQUIRED,
    )
    answer.expire_time.FromDatetime(ends.expire_time)
    return answer, {
        "tenant_id": answer.tenant_id,
        "access_hash": hash_of(access),
        "family_hash": hash_of(family),
        "refresh_hash": hash_of(refresh),
        "access_expire_time": ends.access_expire_time,
        "expire_time": ends.expire_time,
        "update_time": now,
    }


def _family(refresh_token: str) -> str:
    return refresh_token.partition(FAMILY_END)[0]


def _seen(client: pb.Client) -> dict[str, object]:
    return {"address": client.address, "user_agent": client.user_agent}


def _duty(row: Record) -> str:
    return restriction(
        password_change_required=row["password_change_required"],
        second_factor_required=row["second_factor_required"],
        second_factor_enabled=row["second_factor_enabled"],
    )


def _state(row: Record) -> SessionState:
    return SessionState(row["expire_time"], row["revoke_time"], row["refresh_hash"])


def _is_active(row: Record) -> bool:
    return row["state"] == "ACTIVE" and row["delete_time"] is None


def _principal(row: Record, company_id: str) -> Principal:
    return Principal(
        kind="user",
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        role_ids=tuple(str(one) for one in row["role_ids"]),
        partner_company_id=company_id,
        access_version=micros(row["access_time"]),
    )


def _acting(call: Call, tenant_id: str) -> Call:
    """The same call, within the tenant that its token turned out to belong to."""
    return replace(call, principal=replace(call.principal, tenant_id=tenant_id))
