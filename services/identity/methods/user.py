"""Users: logins made from names, passwords kept apart, sessions that end when an account is
disabled.
"""

import asyncio
from collections.abc import Collection

from google.protobuf.message import Message
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from chassis.resource.plan import Plan
from chassis.resource.read import not_found
from chassis.resource.resource import Child, Reference, Resource, Row
from chassis.resource.write import changed_columns
from chassis.search.pinyin import pinyin
from crm.identity.v1.user_pb2 import GetOwnUserRequest, User
from services.identity.domain.login import login_from, next_free
from services.identity.methods.organisation import (
    check_written,
    lock_organisation,
    require_living,
    require_within,
)
from services.identity.methods.passwords import Passwords
from services.identity.methods.power import require_lesser, require_roles
from services.identity.methods.revoke import revoke_sessions
from services.identity.models.user import credential, user

# Fields that decide what a person may do; changing them takes the right to configure users.
POWER = frozenset(
    {"role_ids", "password", "state", "login", "email", "manager_id", "department_id"}
)

_TAKEN = statement(
    select(func.lower(user.c.login).label("login")).where(
        user.c.tenant_id == bindparam("tenant_id"),
        func.lower(user.c.login).like(bindparam("pattern")),
        user.c.delete_time.is_(None),
    )
)
_INSERT = insert(credential).values(
    {column.name: bindparam(column.name) for column in credential.c}
)
SET_PASSWORD = statement(
    _INSERT.on_conflict_do_update(
        index_elements=["tenant_id", "user_id"],
        set_={
            "password_hash": _INSERT.excluded.password_hash,
            "update_time": _INSERT.excluded.update_time,
        },
    )
)


class UserRules:
    """The hooks of users."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    async def prepare_create(self, call: Call, tx: Tx, row: Row, message: Message) -> None:
        """Make a login when none is given; roles and a password take the right to
        configure users.
        """
        assert isinstance(message, User)
        row["department_id"] = row["department_id"] or call.principal.partner_company_id or None
        require_within(call, call.reach("users", "CREATE"), row["department_id"])
        if message.role_ids or message.password:
            require_within(call, call.reach("users", "CONFIGURE"), row["department_id"])
        await self._keep_lines(call, tx, row, str(row["id"]), {"department_id", "manager_id"})
        row["state"] = "ACTIVE"
        if not row["login"]:
            row["login"] = await self._free_login(call, tx, message.name)
        await require_roles(call, tx, list(message.role_ids))
        if message.password:
            tx.after(self._set_password, call, row["id"], message.password)

    async def prepare_update(
        self, call: Call, tx: Tx, before: Row, row: Row, message: Message
    ) -> None:
        """Check the rights and references of what changes; a disabled user's sessions end."""
        assert isinstance(message, User)
        changed, record_id = changed_columns(before, row), str(before["id"])
        if POWER & changed or message.password:
            reach = call.reach("users", "CONFIGURE")
            for place in (before, before | row):
                require_within(call, reach, place["department_id"], record_id)
            await require_lesser(call, tx, before)
        await self._keep_lines(call, tx, row, record_id, changed)
        if "login" in row and not row["login"]:
            raise invalid_fields([("login", "A user needs a login.")])
        if "role_ids" in changed:
            await require_roles(call, tx, list(message.role_ids))
        if message.password:
            await self._set_password(call, tx, before["id"], message.password)
        if row.get("state") == "DISABLED":
            await revoke_sessions(call, tx, str(before["id"]))

    async def prepare_delete(self, call: Call, tx: Tx, before: Row) -> None:
        """Nobody deletes himself; the sessions of a deleted user end."""
        if str(before["id"]) == call.principal.id:
            raise FailedPrecondition("USER_IS_CALLER", "You cannot delete your own account.")
        await revoke_sessions(call, tx, str(before["id"]))

    async def _keep_lines(
        self, call: Call, tx: Tx, row: Row, user_id: str, changed: Collection[str]
    ) -> None:
        """Departments live; reporting lines end."""
        if "department_id" in changed:
            await require_living(call, tx, "department_id", row["department_id"])
        if "manager_id" in changed and row["manager_id"]:
            await lock_organisation(call, tx)
            tx.after(check_written, call, "user", user_id, "manager_id")

    async def _set_password(self, call: Call, tx: Tx, user_id: object, password: str) -> None:
        values = {
            "tenant_id": call.tenant_id,
            "user_id": str(user_id),
            "password_hash": await self._passwords.hash(password),
            "update_time": call.now,
        }
        await tx.execute(SET_PASSWORD, values)

    async def _free_login(self, call: Call, tx: Tx, name: str) -> str:
        wanted = login_from(name if name.isascii() else await asyncio.to_thread(pinyin, name))
        values = {"tenant_id": call.tenant_id, "pattern": wanted.replace("_", "\\_") + "%"}
        taken = {str(one["login"]) for one in await tx.fetch(_TAKEN, values)}
        return next_free(wanted, taken)


class OwnUser:
    """GetOwnUser: everyone may see himself, whatever his roles."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._run = statement(
            select(*plan.columns_of(())).where(
                user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("id")
            )
        )

    async def get(self, call: Call, tx: Tx, _request: GetOwnUserRequest) -> Message:
        """The caller's user."""
        row = await tx.fetch_row(self._run, {"tenant_id": call.tenant_id, "id": call.principal.id})
        if row is None:
            raise not_found(self._plan, call.principal.id)
        return self._plan.to_message(())(row)


def user_resource(passwords: Passwords) -> Resource:
    """The declaration of users."""
    rules = UserRules(passwords)
    return Resource(
        message=User,
        table=user,
        filterable=("name", "login", "email", "department_id", "manager_id", "state"),
        orderable=("name", "login"),
        searchable=("name", "login", "email"),
        references=(
            Reference("department_id", "departments"),
            Reference("manager_id", "users"),
            Reference("role_ids", "roles"),
        ),
        children=(Child(user, "manager_id"),),
        unique={"uq_user_login": "login", "uq_user_email": "email"},
        prepare_create=rules.prepare_create,
        prepare_update=rules.prepare_update,
        prepare_delete=rules.prepare_delete,
    )
