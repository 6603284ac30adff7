"""The second factor: an authenticator's codes, each good for once, and recovery codes."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from google.protobuf.message import Message
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.errors import FailedPrecondition, Unauthenticated
from chassis.resource.read import lock_record
from chassis.resource.write import update_record
from chassis.rpc.methods import Free, Handler, Unary
from crm.identity.v1 import credential_pb2 as pb
from services.identity.methods import totp
from services.identity.methods.account import Accounts, own_keys
from services.identity.methods.opaque import hash_of
from services.identity.methods.power import require_lesser
from services.identity.methods.revoke import revoke_sessions
from services.identity.methods.seal import Seal
from services.identity.models.second_factor import second_factor
from services.identity.models.tenant import tenant

RECOVERY_CODES = 10
# Four groups of four of these: 80 bits.
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_WRONG = "The code is wrong, or it was used before."

_OWN = (
    second_factor.c.tenant_id == bindparam("tenant_id"),
    second_factor.c.user_id == bindparam("user_id"),
)
_INSERT = insert(second_factor).values(
    {column.name: bindparam(column.name) for column in second_factor.c}
)
_ENROL = statement(
    _INSERT.on_conflict_do_update(
        index_elements=["tenant_id", "user_id"],
        set_={
            column.name: _INSERT.excluded[column.name]
            for column in second_factor.c
            if not column.primary_key
        },
    )
)
_LOCKED = statement(select(second_factor).where(*_OWN).with_for_update())
_CONFIRM = statement(
    update(second_factor)
    .values(
        confirm_time=bindparam("now"),
        last_step=bindparam("step"),
        recovery_hashes=bindparam("recovery_hashes"),
    )
    .where(*_OWN)
)
_USE_STEP = statement(update(second_factor).values(last_step=bindparam("step")).where(*_OWN))
_USE_RECOVERY = statement(
    update(second_factor).values(recovery_hashes=bindparam("recovery_hashes")).where(*_OWN)
)
_REMOVE = statement(delete(second_factor).where(*_OWN))
_TENANT = statement(select(tenant.c.name).where(tenant.c.tenant_id == bindparam("tenant_id")))


class SecondFactorInvalid(Unauthenticated):
    """The password was right, the code is not."""

    def __init__(self) -> None:
        super().__init__("SECOND_FACTOR_INVALID", _WRONG)


class SecondFactors:
    """The methods of CredentialService about second factors, and the check at sign-in."""

    def __init__(self, accounts: Accounts, seal: Seal) -> None:
        self._accounts = accounts
        self._database = accounts.database
        self._seal = seal

    def methods(self) -> dict[str, Handler]:
        """By rpc name."""
        return {
            "EnrolSecondFactor": Free(self.enrol),
            "ConfirmSecondFactor": Free(self.confirm),
            "RemoveSecondFactor": Free(self.remove),
            "ResetSecondFactor": Unary(self.reset, self.repeated),
        }

    async def enrol(
        self, call: Call, request: pb.EnrolSecondFactorRequest
    ) -> pb.EnrolSecondFactorResponse:
        """A new secret, which counts for nothing until it is confirmed."""
        await self._accounts.require_own_password(call, "password", request.password)
        secret = totp.new_secret()
        async with self._database.transaction(call.tenant_id) as tx:
            user = await self._accounts.lock_own(call, tx)
            if user["second_factor_enabled"]:
                raise FailedPrecondition(
                    "SECOND_FACTOR_EXISTS", "Remove the second factor that you have first."
                )
            who = _who(call.tenant_id, call.principal.id)
            values: dict[str, object] = {
                "sealed_secret": self._seal.close(secret, _owner(who)),
                "last_step": 0,
                "recovery_hashes": [],
                "create_time": call.now,
                "confirm_time": None,
            }
            await tx.execute(_ENROL, {**who, **values})
            company = await tx.fetch_row(_TENANT, {"tenant_id": call.tenant_id})
        issuer = str(company["name"]) if company else ""
        uri = totp.uri_of(secret, str(user["login"]), issuer)
        return pb.EnrolSecondFactorResponse(secret=totp.readable(secret), uri=uri)

    async def confirm(
        self, call: Call, request: pb.ConfirmSecondFactorRequest
    ) -> pb.ConfirmSecondFactorResponse:
        """Turn it on with a first code; guesses are slowed down."""
        keys = own_keys(call)
        await self._accounts.attempts.begin(keys, call.now)
        who = _who(call.tenant_id, call.principal.id)
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        async with self._database.transaction(call.tenant_id) as tx:
            user = await self._accounts.lock_own(call, tx)
            factor = await tx.fetch_row(_LOCKED, who)
            if factor is None or factor["confirm_time"] is not None:
                text = "Begin with a new secret first."
                raise FailedPrecondition("SECOND_FACTOR_NOT_ENROLLED", text)
            step = self._step(factor, request.code, call.now)
            if step is None:
                raise invalid_fields([("code", _WRONG)])
            hashes = [hash_of(code) for code in codes]
            values = {**who, "now": call.now, "step": step, "recovery_hashes": hashes}
            await tx.execute(_CONFIRM, values)
            await self._set_enabled(call, tx, user, enabled=True)
        await self._accounts.attempts.succeeded(keys)
        return pb.ConfirmSecondFactorResponse(recovery_codes=codes)

    async def remove(
        self, call: Call, request: pb.RemoveSecondFactorRequest
    ) -> pb.RemoveSecondFactorResponse:
        """Turn it off, with password and code."""
        await self._accounts.require_own_password(call, "password", request.password)
        keys = own_keys(call)
        await self._accounts.attempts.begin(keys, call.now)
        who = _who(call.tenant_id, call.principal.id)
        async with self._database.transaction(call.tenant_id) as tx:
            user = await self._accounts.lock_own(call, tx)
            if not await self._accept(tx, who, request.code, call.now):
                raise invalid_fields([("code", _WRONG)])
            await tx.execute(_REMOVE, who)
            await self._set_enabled(call, tx, user, enabled=False)
        await self._accounts.attempts.succeeded(keys)
        return pb.RemoveSecondFactorResponse()

    async def reset(
        self, call: Call, tx: Tx, request: pb.ResetSecondFactorRequest
    ) -> pb.ResetSecondFactorResponse:
        """Take it off somebody who has lost it; his sessions end."""
        user = await lock_record(call, tx, self._accounts.plan, request.id, "CONFIGURE")
        await require_lesser(call, tx, user)
        await tx.execute(_REMOVE, _who(call.tenant_id, request.id))
        await self._set_enabled(call, tx, user, enabled=False)
        await revoke_sessions(call, tx, request.id)
        return pb.ResetSecondFactorResponse()

    async def repeated(self, _call: Call, _tx: Tx, _ids: Sequence[str]) -> Message:
        """What a repeated reset is answered with."""
        return pb.ResetSecondFactorResponse()

    async def require(self, tenant_id: str, user_id: str, code: str, now: datetime) -> None:
        """SecondFactorInvalid unless the code is right; it is used up then."""
        async with self._database.transaction(tenant_id) as tx:
            if not await self._accept(tx, _who(tenant_id, user_id), code, now):
                raise SecondFactorInvalid

    async def _accept(self, tx: Tx, who: dict[str, object], code: str, now: datetime) -> bool:
        factor = await tx.fetch_row(_LOCKED, who)
        if factor is None or factor["confirm_time"] is None:
            return False
        step = self._step(factor, code, now)
        if step is not None:
            await tx.execute(_USE_STEP, {**who, "step": step})
            return True
        left = [one for one in factor["recovery_hashes"] if one != hash_of(code.strip().lower())]
        if len(left) == len(factor["recovery_hashes"]):
            return False
        await tx.execute(_USE_RECOVERY, {**who, "recovery_hashes": left})
        return True

    def _step(self, factor: Record, code: str, now: datetime) -> int | None:
        """The step of a code that is right and newer than the last one that was accepted."""
        who = _who(str(factor["tenant_id"]), str(factor["user_id"]))
        secret = self._seal.open(factor["sealed_secret"], _owner(who))
        step = totp.step_of(secret, code, now.timestamp())
        return step if step is not None and step > factor["last_step"] else None

    async def _set_enabled(self, call: Call, tx: Tx, user: Record, *, enabled: bool) -> None:
        row: dict[str, object] = {"second_factor_enabled": enabled}
        await update_record(call, tx, self._accounts.plan, user, row, "updated")


def _who(tenant_id: str, user_id: str) -> dict[str, object]:
    return {"tenant_id": tenant_id, "user_id": user_id}


def _owner(who: dict[str, object]) -> str:
    return f"{who['tenant_id']}|{who['user_id']}"


def _recovery_code() -> str:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)
