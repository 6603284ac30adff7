"""Records sign-ins, refused ones and new passwords as events, for the operation log."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import structlog
from sqlalchemy import bindparam, select

from chassis.call import Call, Principal
from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import statement
from chassis.errors import CrmError
from chassis.events.change_row import record_event
from chassis.ids import new_id
from crm.identity.v1 import session_pb2 as pb
from services.identity.domain.refusal_budget import RefusalBudget
from services.identity.models.tenant import tenant

TASKS_MAX = 100
# Written so much later, at some moment, that the time of the next answer tells nothing of it.
DELAY_S = (0.5, 1.5)
log = structlog.get_logger()
_BY_SLUG = statement(select(tenant.c.tenant_id).where(tenant.c.slug == bindparam("slug")))


class SignInLog:
    """What happens at the door. A name that was tried is kept as a hash only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._budget = RefusalBudget()
        self._tasks: set[asyncio.Task[None]] = set()

    async def opened(self, call: Call, tx: Tx, who: tuple[str, str, str]) -> None:
        """A session was opened; `who` is tenant, session and user."""
        tenant_id, session_id, user_id = who
        data = {"id": session_id, "user_id": user_id}
        acting = _as_user(call, tenant_id, user_id)
        await record_event(acting, tx, "session", "created", session_id, data)

    async def password_changed(self, call: Call, tx: Tx, user_id: str) -> None:
        """A user has a new password."""
        await record_event(call, tx, "password", "changed", user_id, {"id": user_id})

    def refused(
        self, call: Call, request: pb.CreateSessionRequest, candidates: Sequence[Record]
    ) -> None:
        """A sign-in was refused. Written by a task, so that the answer takes no longer for those
        whose tenant is known; what is left out in a flood is counted.
        """
        if len(self._tasks) < TASKS_MAX:
            task = asyncio.create_task(self._write(call, request, candidates))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(
        self, call: Call, request: pb.CreateSessionRequest, candidates: Sequence[Record]
    ) -> None:
        tried = [
            (
                str(one["tenant_id"]),
                str(one["id"]),
                "PASSWORD_WRONG" if one["state"] == "ACTIVE" else "USER_DISABLED",
            )
            for one in candidates
        ]
        await asyncio.sleep(random.uniform(*DELAY_S))
        try:
            if not tried:
                tried = await self._unknown(request.tenant)
            for tenant_id, user_id, reason in tried:
                name = (request.email or request.login).lower()
                hashed = sha256(f"{tenant_id} {name}".encode()).hexdigest()[:12]
                acting = _as_user(call, tenant_id, user_id)
                await self._one(acting, {"user_id": user_id, "name": f"#{hashed}"}, reason)
        except CrmError as error:
            log.warning("refused sign-in not recorded", error=error)

    async def _unknown(self, slug: str) -> list[tuple[str, str, str]]:
        """The tenant that was named, if there is such a one."""
        async with self._database.worker() as tx:
            rows = await tx.fetch(_BY_SLUG, {"slug": slug})
        return [(str(row["tenant_id"]), "", "LOGIN_UNKNOWN") for row in rows]

    async def _one(self, acting: Call, data: dict[str, object], reason: str) -> None:
        left_out = self._budget.take(acting.tenant_id, time.monotonic())
        if left_out is None:
            return
        detail = f"{reason}, {left_out} more before" if left_out else reason
        record_id = new_id()
        async with self._database.transaction(acting.tenant_id) as tx:
            said = {**data, "id": record_id, "detail": detail}
            await record_event(acting, tx, "session", "refused", record_id, said)


def _as_user(call: Call, tenant_id: str, user_id: str) -> Call:
    return replace(call, principal=Principal("user", user_id, tenant_id))
