"""One's own account: the row of the caller, his password proven and replaced."""

from datetime import datetime

from sqlalchemy import bindparam, select

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import statement
from chassis.resource.plan import Plan
from chassis.resource.read import not_found
from chassis.resource.write import update_record
from crm.identity.v1 import session_pb2 as pb
from services.identity.methods.attempts import Attempts, Key
from services.identity.methods.credentials import require_good_password, store_password
from services.identity.methods.mail import tell_changed
from services.identity.methods.passwords import Passwords
from services.identity.methods.revoke import revoke_sessions
from services.identity.methods.sign_in_log import SignInLog
from services.identity.models.user import credential, user

_PASSWORD = statement(
    select(credential.c.password_hash).where(
        credential.c.tenant_id == bindparam("tenant_id"),
        credential.c.user_id == bindparam("user_id"),
    )
)


class Accounts:
    """What all methods about one's own credentials need; `plan` is that of users."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        attempts: Attempts,
        plan: Plan,
        log: SignInLog,
    ) -> None:
        self.database = database
        self.attempts = attempts
        self.plan = plan
        self._passwords = passwords
        self._log = log
        self._lock = statement(
            select(*plan.columns_of(()))
            .where(user.c.tenant_id == bindparam("tenant_id"), user.c.id == bindparam("id"))
            .with_for_update()
        )

    async def lock_own(self, call: Call, tx: Tx) -> Record:
        """The caller's row, locked until the transaction ends."""
        row = await tx.fetch_row(self._lock, {"tenant_id": call.tenant_id, "id": call.principal.id})
        if row is None:
            raise not_found(self.plan, call.principal.id)
        return row

    async def require_own_password(self, call: Call, field: str, password: str) -> None:
        """InvalidArgument at `field` unless it is the caller's password; guesses are slowed
        down.
        """
        keys = own_keys(call)
        await self.attempts.begin(keys, call.now)
        who = {"tenant_id": call.tenant_id, "user_id": call.principal.id}
        async with self.database.transaction(call.tenant_id) as tx:
            row = await tx.fetch_row(_PASSWORD, who)
        if not await self._passwords.matches(row["password_hash"] if row else None, password):
            raise invalid_fields([(field, "The password is wrong.")])
        await self.attempts.succeeded(keys)

    async def replace_password(  # the parts of a password
        self, call: Call, tx: Tx, before: Record, password: str, expire_time: datetime | None = None
    ) -> None:
        """Set the password of the locked user and end his sessions; one with an end must be
        changed at the first sign-in.
        """
        user_id, hashed = str(before["id"]), await self._passwords.hash(password)
        await store_password(call, tx, user_id, hashed, expire_time)
        row: dict[str, object] = {
            "password_change_required": expire_time is not None,
            "password_update_time": call.now,
        }
        await update_record(call, tx, self.plan, before, row, "updated")
        await self._log.password_changed(call, tx, user_id)
        await tell_changed(call, tx, before)
        await revoke_sessions(call, tx, user_id)

    async def change_password(
        self, call: Call, request: pb.ChangePasswordRequest
    ) -> pb.ChangePasswordResponse:
        """Replace the password; all sessions of the user end, the present one too."""
        await self.require_own_password(call, "old_password", request.old_password)
        if request.new_password == request.old_password:
            raise invalid_fields([("new_password", "Choose another one than before.")])
        async with self.database.transaction(call.tenant_id) as tx:
            before = await self.lock_own(call, tx)
            await require_good_password(call, tx, "new_password", request.new_password, before)
            await self.replace_password(call, tx, before, request.new_password)
        return pb.ChangePasswordResponse()


def own_keys(call: Call) -> list[Key]:
    """What failures to prove that it is still the caller are counted at."""
    return [Key(f"account {call.tenant_id} {call.principal.id}")]
