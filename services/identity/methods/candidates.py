"""The accounts that a name may belong to, before anybody is signed in."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Select, bindparam, func, select

from chassis.codec import invalid_fields
from chassis.db.pool import Database, Record
from chassis.db.sql import statement
from services.identity.models.tenant import tenant
from services.identity.models.user import credential, session, user

# The same name in so many tenants is tried without a tenant, no more.
CANDIDATES_MAX = 5


class Names(Protocol):
    """What requests of strangers have in common."""

    login: str
    email: str
    tenant: str


def kind_and_name(request: Names) -> tuple[str, str]:
    """("email" or "login", the name); InvalidArgument when there is none."""
    if request.email:
        return "email", request.email
    if not request.login:
        raise invalid_fields([("login", "Login or e-mail is required.")])
    return "login", request.login


async def fetch_candidates(
    database: Database, kind: str, name: str, slug: str, address: str = ""
) -> Sequence[Record]:
    """Living accounts with what decides about signing in; of one tenant when `slug` names it.

    `known_here` says whether the account was signed in from the address before.
    """
    run = (_IN_TENANT if slug else _ANYWHERE)[kind]
    values = {"name": name.lower(), "slug": slug, "address": address, "limit": CANDIDATES_MAX}
    async with database.worker() as tx:
        return await tx.fetch(run, values)


_KNOWN_HERE = (
    select(session.c.id)
    .where(
        session.c.tenant_id == user.c.tenant_id,
        session.c.user_id == user.c.id,
        session.c.address == bindparam("address"),
        session.c.address != "",
    )
    .correlate(user)
    .exists()
)


def _candidates(by: str) -> Select[tuple[object, ...]]:
    return (
        select(
            user.c.tenant_id,
            user.c.id,
            user.c.state,
            user.c.email,
            user.c.password_change_required,
            user.c.second_factor_enabled,
            tenant.c.second_factor_required,
            tenant.c.state.label("tenant_state"),
            credential.c.password_hash,
            credential.c.expire_time,
            _KNOWN_HERE.label("known_here"),
        )
        .join(tenant, tenant.c.tenant_id == user.c.tenant_id)
        .join(
            credential,
            (credential.c.tenant_id == user.c.tenant_id) & (credential.c.user_id == user.c.id),
            isouter=True,
        )
        .where(func.lower(user.c[by]) == bindparam("name"), user.c.delete_time.is_(None))
        .limit(bindparam("limit"))
    )


_ANYWHERE = {by: statement(_candidates(by)) for by in ("login", "email")}
_IN_TENANT = {
    by: statement(_candidates(by).where(tenant.c.slug == bindparam("slug")))
    for by in ("login", "email")
}
