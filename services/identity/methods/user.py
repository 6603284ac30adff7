"""Users: logins made from names, passwords kept apart, sessions that end when an account is
disabled.
"""

import asyncio
from collections.abc import Set as AbstractSet

from google.protobuf.message import Message
from sqlalchemy import bindparam, func, select

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from chassis.resource.plan import Plan
from chassis.resource.read import not_found
from chassis.resource.resource import Child, Reference, Resource, Row
from chassis.resource.view import view_of
from chassis.resource.write import changed_columns
from chassis.search.pinyin import pinyin, readings
from crm.identity.v1.user_pb2 import GetOwnUserRequest, User
from services.identity.domain.login import (
    is_chinese,
    is_plain,
    login_from,
    login_of_syllables,
    next_free,
)
from services.identity.methods.administrators import keep_administrator
from services.identity.methods.credentials import (
    drop_links,
    hash_and_store,
    require_good_password,
)
from services.identity.methods.mail import tell_changed
from services.identity.methods.organisation import (
    check_written,
    lock_organisation,
    require_living,
    require_within,
)
from services.identity.methods.passwords import Passwords
from services.identity.methods.power import require_lesser, require_roles
from services.identity.methods.revoke import revoke_sessions
from services.identity.models.user import user

# Fields that decide what a person may do; changing them takes the right to configure users.
POWER = frozenset(
    {
        "role_ids", "password", "password_change_required", "state", "login", "email",
        "manager_id", "department_id", "delete_time",
    }
)  # fmt: skip
# Fields whose change may leave a tenant without an administrator.
OFFICE = frozenset({"role_ids", "state", "department_id"})

_TAKEN = statement(
    select(func.lower(user.c.login).label("login")).where(
        user.c.tenant_id == bindparam("tenant_id"),
        func.lower(user.c.login).like(bindparam("pattern")),
        user.c.delete_time.is_(None),
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
        row |= {"state": "ACTIVE", "second_factor_enabled": False}
        await require_roles(call, tx, list(message.role_ids))
        await self._name(call, tx, row, message.name)
        if message.password:
            await require_good_password(call, tx, "user.password", message.password, row)
            row["password_update_time"] = call.now
            tx.after(hash_and_store, call, self._passwords, str(row["id"]), message.password)

    async def prepare_update(
        self, call: Call, tx: Tx, before: Row, row: Row, message: Message
    ) -> None:
        """Check the rights and references of what changes; a disabled user's sessions end."""
        assert isinstance(message, User)
        changed, record_id, after = changed_columns(before, row), str(before["id"]), before | row
        if POWER & changed or message.password:
            reach = call.reach("users", "CONFIGURE")
            require_within(call, reach, before["department_id"], record_id)
            # By department alone: whoever reaches himself would else move to where he sees more.
            moved = "department_id" in changed
            require_within(call, reach, after["department_id"], "" if moved else record_id)
            await require_lesser(call, tx, before)
        if OFFICE & changed:
            await keep_administrator(call, tx)
        await self._keep_lines(call, tx, after, record_id, changed)
        if "login" in changed:
            _require_plain(row)
        if "role_ids" in changed:
            await require_roles(call, tx, list(message.role_ids))
        await self._end_what_is_void(call, tx, before, row, message)

    async def _end_what_is_void(
        self, call: Call, tx: Tx, before: Row, row: Row, message: User
    ) -> None:
        """Sessions end with a password or an account, links with the address they went to."""
        user_id = str(before["id"])
        if message.password:
            await require_good_password(
                call, tx, "user.password", message.password, {**before, **row}
            )
            row["password_update_time"] = call.now
            await hash_and_store(call, tx, self._passwords, user_id, message.password)
            await tell_changed(call, tx, before)
        if "email" in changed_columns(before, row):
            await drop_links(call, tx, user_id)
        if message.password or row.get("state") == "DISABLED":
            await revoke_sessions(call, tx, user_id)

    async def prepare_delete(self, call: Call, tx: Tx, before: Row) -> None:
        """Nobody deletes himself or who may do more; the sessions of a deleted user end."""
        if str(before["id"]) == call.principal.id:
            raise FailedPrecondition("USER_IS_CALLER", "You cannot delete your own account.")
        await require_lesser(call, tx, before)
        await keep_administrator(call, tx)
        await revoke_sessions(call, tx, str(before["id"]))

    async def _keep_lines(
        self, call: Call, tx: Tx, row: Row, user_id: str, changed: AbstractSet[str]
    ) -> None:
        """Departments live; reporting lines end."""
        if {"department_id", "delete_time"} & changed:
            await require_living(call, tx, "department_id", row["department_id"])
        if "manager_id" in changed and row["manager_id"]:
            await lock_organisation(call, tx)
            tx.after(check_written, call, "user", user_id, "manager_id")

    async def _name(self, call: Call, tx: Tx, row: Row, name: str) -> None:
        """Keep a login for the row, which a batch writes later: its own, or the next free one made
        from the name. One transaction of a tenant at a time, so that two find two names.
        """
        await lock_organisation(call, tx)
        if not row["login"]:
            row["login"] = await self._free_login(call, tx, name)
        _require_plain(row)
        tx.reserved.add(str(row["login"]).lower())

    async def _free_login(self, call: Call, tx: Tx, name: str) -> str:
        wanted = login_from(name if name.isascii() else await asyncio.to_thread(_latin, name))
        values = {"tenant_id": call.tenant_id, "pattern": wanted.replace("_", "\\_") + "%"}
        taken = {str(one["login"]) for one in await tx.fetch(_TAKEN, values)}
        return next_free(wanted, taken | tx.reserved)


def _require_plain(row: Row) -> None:
    """InvalidArgument for a login that is none, or that looks like another one."""
    if not row["login"]:
        raise invalid_fields([("login", "A user needs a login.")])
    if not is_plain(str(row["login"])):
        raise invalid_fields([("login", "Use characters that are shown, without spaces.")])


def _latin(name: str) -> str:
    """The name with its Chinese characters in pinyin, without tones; other characters stay."""
    return login_of_syllables(readings(name)[0]) if is_chinese(name) else pinyin(name)


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
        return self._plan.to_message(())(row, view_of(call, self._plan).own)


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
