"""How a password is set by others than its user who knows it: one-time passwords, invitations and
links by mail.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from google.protobuf.message import Message
from sqlalchemy import bindparam, delete, insert, select

from chassis.call import Call, Principal
from chassis.codec import invalid_fields
from chassis.custom_fields.model import CustomFields
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition
from chassis.ids import new_id
from chassis.resource.checks import refuse_deleted
from chassis.resource.read import lock_record
from chassis.rpc.methods import Free, Handler, Unary
from crm.identity.v1 import credential_pb2 as pb
from services.identity.domain.attempt import NO_TENANT
from services.identity.domain.mail import INVITE
from services.identity.methods.account import Accounts
from services.identity.methods.candidates import kind_and_name
from services.identity.methods.credentials import require_good_password
from services.identity.methods.mail import queue_mail
from services.identity.methods.opaque import hash_of
from services.identity.methods.power import require_lesser
from services.identity.models.password_reset import password_reset, reset_request

ONE_TIME_LIFETIME = timedelta(days=7)
# Three groups of four out of 31 characters that nobody confuses: 59 bits.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

_ASK = statement(
    insert(reset_request).values(
        {column.name: bindparam(column.name) for column in reset_request.c}
    )
)
_FIND = statement(
    select(password_reset.c.tenant_id, password_reset.c.user_id).where(
        password_reset.c.token_hash == bindparam("token_hash")
    )
)
_USE = statement(
    delete(password_reset)
    .where(
        password_reset.c.tenant_id == bindparam("tenant_id"),
        password_reset.c.token_hash == bindparam("token_hash"),
        password_reset.c.expire_time > bindparam("now"),
    )
    .returning(password_reset.c.user_id)
)


class PasswordResets:
    """The methods of CredentialService about passwords."""

    def __init__(self, accounts: Accounts, custom: CustomFieldSource) -> None:
        self._accounts = accounts
        self._custom = custom
        self._database = accounts.database

    def methods(self) -> dict[str, Handler]:
        """By rpc name."""
        return {
            "ResetPassword": Unary(self.reset, self.reset_before),
            "InviteUser": Unary(self.invite, self.invited_before),
            "CreatePasswordReset": Free(self.ask),
            "ConfirmPasswordReset": Free(self.confirm),
        }

    async def reset(
        self, call: Call, tx: Tx, request: pb.ResetPasswordRequest
    ) -> pb.ResetPasswordResponse:
        """Give a user a one-time password."""
        user = await self._lock(call, tx, request.id)
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))
        expire_time = call.now + ONE_TIME_LIFETIME
        await self._accounts.replace_password(call, tx, user, password, expire_time)
        return pb.ResetPasswordResponse(password=password, expire_time=expire_time)

    async def reset_before(self, _call: Call, _tx: Tx, _ids: Sequence[str]) -> Message:
        """What a repeated call is answered with: the password was told once."""
        return pb.ResetPasswordResponse()

    async def invite(
        self, call: Call, tx: Tx, request: pb.InviteUserRequest
    ) -> pb.InviteUserResponse:
        """Have a mail sent with a link to set the password."""
        user = await self._lock(call, tx, request.id)
        if not user["email"]:
            raise FailedPrecondition("USER_WITHOUT_EMAIL", "The user has no e-mail address.")
        await queue_mail(tx, call.tenant_id, request.id, INVITE, call.now)
        return pb.InviteUserResponse()

    async def invited_before(self, _call: Call, _tx: Tx, _ids: Sequence[str]) -> Message:
        """What a repeated invitation is answered with."""
        return pb.InviteUserResponse()

    async def ask(
        self, call: Call, request: pb.CreatePasswordResetRequest
    ) -> pb.CreatePasswordResetResponse:
        """Note that somebody asked; a job looks the name up later, so that nothing here, not even
        the time it takes, depends on whom it belongs to.
        """
        kind, name = kind_and_name(request)
        of_name, attempts = f"{kind} {request.tenant} {name}", self._accounts.attempts
        await attempts.begin(attempts.keys("reset", of_name, request.client.address), call.now)
        asked = {
            "tenant_id": NO_TENANT,
            "id": new_id(),
            "name_kind": kind,
            "name": name,
            "slug": request.tenant,
            "create_time": call.now,
        }
        async with self._database.transaction(NO_TENANT) as tx:
            await tx.execute(_ASK, asked)
        return pb.CreatePasswordResetResponse()

    async def confirm(
        self, call: Call, request: pb.ConfirmPasswordResetRequest
    ) -> pb.ConfirmPasswordResetResponse:
        """Set the password with the token of a link, which is used up."""
        token = {"token_hash": hash_of(request.token)}
        async with self._database.worker() as tx:
            found = await tx.fetch_row(_FIND, token)
        if found is None:
            raise _refused()
        own = _as_user(call, found, await self._custom(str(found["tenant_id"])))
        async with self._database.transaction(own.tenant_id) as tx:
            used = {**token, "tenant_id": own.tenant_id, "now": call.now}
            if await tx.fetch_row(_USE, used) is None:
                raise _refused()
            user = await self._accounts.lock_own(own, tx)
            if user["state"] != "ACTIVE" or user["delete_time"] is not None:
                raise _refused()
            await require_good_password(own, tx, "new_password", request.new_password, user)
            await self._accounts.replace_password(own, tx, user, request.new_password)
        return pb.ConfirmPasswordResetResponse()

    async def _lock(self, call: Call, tx: Tx, user_id: str) -> Record:
        plan = self._accounts.plan
        user = await lock_record(call, tx, plan, user_id, "CONFIGURE")
        refuse_deleted(plan, user)
        await require_lesser(call, tx, user)
        return user


def _refused() -> Exception:
    return invalid_fields([("token", "The link has expired, or it was used before.")])


def _as_user(call: Call, found: Record, custom: CustomFields) -> Call:
    """The call in the name of him to whom the link was sent; events tell the own fields, too."""
    who = Principal(kind="user", id=str(found["user_id"]), tenant_id=str(found["tenant_id"]))
    return replace(call, principal=who, custom=custom)
