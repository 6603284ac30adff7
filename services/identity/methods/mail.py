"""Mails about passwords, from the queue in the database to the sender; the token of a link is made
when its mail is sent, so that none waits in the queue.
"""

from datetime import UTC, datetime
from typing import Protocol

import structlog
from sqlalchemy import Text, any_, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.call import Call
from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import statement
from chassis.ids import new_id
from services.identity.domain.attempt import NO_TENANT
from services.identity.domain.mail import (
    CHANGED,
    LIFETIMES,
    LINKED,
    OPEN_MAX,
    RESET,
    Letter,
    retry_after,
)
from services.identity.domain.tenant import ACTIVE
from services.identity.methods.candidates import fetch_candidates
from services.identity.methods.opaque import hash_of, new_token
from services.identity.models.password_reset import mail, password_reset, reset_request
from services.identity.models.preferences import preferences
from services.identity.models.tenant import tenant
from services.identity.models.user import user

BATCH_MAX = 20
LINK = "{public_url}/set-password#token={token}"

log = structlog.get_logger()

_OF_USER = (mail.c.tenant_id == bindparam("tenant_id"), mail.c.user_id == bindparam("user_id"))
_ONE = (mail.c.tenant_id == bindparam("tenant_id"), mail.c.id == bindparam("id"))
_QUEUE = statement(insert(mail).values({column.name: bindparam(column.name) for column in mail.c}))
_OF_KIND = mail.c.kind == any_(bindparam("kinds", type_=ARRAY(Text())))
_WAITING = select(func.count()).select_from(mail).where(*_OF_USER, _OF_KIND).scalar_subquery()
_SENT = (
    select(func.count())
    .select_from(password_reset)
    .where(
        password_reset.c.tenant_id == bindparam("tenant_id"),
        password_reset.c.user_id == bindparam("user_id"),
        password_reset.c.expire_time > bindparam("now"),
    )
    .scalar_subquery()
)
_OPEN = statement(select(_WAITING.label("waiting"), _SENT.label("sent")))
_ASKED = statement(select(reset_request).order_by(reset_request.c.id).limit(BATCH_MAX))
_LOOKED_UP = statement(
    delete(reset_request).where(
        reset_request.c.tenant_id == NO_TENANT, reset_request.c.id == bindparam("id")
    )
)
_DUE = statement(
    select(mail.c.tenant_id, mail.c.id)
    .where(mail.c.next_time <= bindparam("now"))
    .order_by(mail.c.next_time)
    .limit(BATCH_MAX)
)
_LOCK = statement(
    select(
        mail,
        user.c.email,
        user.c.login,
        user.c.name,
        user.c.state,
        user.c.delete_time,
        tenant.c.name.label("tenant_name"),
        func.coalesce(func.nullif(preferences.c.language, ""), tenant.c.language).label("language"),
    )
    .join(user, (user.c.tenant_id == mail.c.tenant_id) & (user.c.id == mail.c.user_id))
    .join(tenant, tenant.c.tenant_id == mail.c.tenant_id)
    .join(
        preferences,
        (preferences.c.tenant_id == mail.c.tenant_id) & (preferences.c.user_id == mail.c.user_id),
        isouter=True,
    )
    .where(*_ONE, mail.c.next_time <= bindparam("now"))
    .with_for_update(of=mail, skip_locked=True)
)
_TRY = statement(
    update(mail).values(attempts=mail.c.attempts + 1, next_time=bindparam("next")).where(*_ONE)
)
_DONE = statement(delete(mail).where(*_ONE))
_TOKEN = statement(
    insert(password_reset).values(
        {column.name: bindparam(column.name) for column in password_reset.c}
    )
)


class Sender(Protocol):
    """What takes a mail to the person; raises OSError when it cannot just now."""

    async def send(self, mail_id: str, address: str, letter: Letter) -> None:
        """Send it; the same mail may come again, when it is not known whether it went out."""


async def queue_mail(tx: Tx, tenant_id: str, user_id: str, kind: str, now: datetime) -> None:
    """Have a mail sent once this transaction is through; none when OPEN_MAX wait, or links are out.

    Links that somebody has asked for do not keep a notice back.
    """
    who = {"tenant_id": tenant_id, "user_id": user_id}
    linked = kind in LINKED
    kinds = list(LINKED) if linked else [kind]
    row = await tx.fetch_row(_OPEN, {**who, "now": now, "kinds": kinds})
    if row is None or row["waiting"] + (row["sent"] if linked else 0) >= OPEN_MAX:
        return
    values = {
        **who,
        "id": new_id(),
        "kind": kind,
        "attempts": 0,
        "next_time": now,
        "expire_time": now + LIFETIMES[kind],
        "create_time": now,
    }
    await tx.execute(_QUEUE, values)


async def tell_changed(call: Call, tx: Tx, before: Record) -> None:
    """Tell a user that his password is another one now; a first one is no news to him."""
    if before["email"] and before["password_update_time"]:
        await queue_mail(tx, call.tenant_id, str(before["id"]), CHANGED, call.now)


class Mailer:
    """Looks up who asked for a link, and sends what is due."""

    def __init__(self, database: Database, sender: Sender, public_url: str) -> None:
        self._database = database
        self._sender = sender
        self._public_url = public_url

    async def look_up(self) -> None:
        """Queue a mail to everybody to whom a name that was asked for belongs."""
        async with self._database.worker() as tx:
            asked = await tx.fetch(_ASKED, {})
        for one in asked:
            found = await fetch_candidates(
                self._database, one["name_kind"], one["name"], one["slug"]
            )
            for account in found:
                if account["tenant_state"] == ACTIVE:
                    await self._queue_reset(account)
            async with self._database.transaction(NO_TENANT) as tx:
                await tx.execute(_LOOKED_UP, {"id": str(one["id"])})

    async def send_due(self) -> None:
        """Send what is due; what fails is due again later, until it means nothing any more."""
        async with self._database.worker() as tx:
            due = await tx.fetch(_DUE, {"now": datetime.now(UTC)})
        for one in due:
            await self._send(str(one["tenant_id"]), str(one["id"]))

    async def _queue_reset(self, account: Record) -> None:
        if account["state"] == "ACTIVE" and account["email"]:
            tenant_id = str(account["tenant_id"])
            async with self._database.transaction(tenant_id) as tx:
                await queue_mail(tx, tenant_id, str(account["id"]), RESET, datetime.now(UTC))

    async def _send(self, tenant_id: str, mail_id: str) -> None:
        which = {"tenant_id": tenant_id, "id": mail_id}
        async with self._database.transaction(tenant_id) as tx:
            row = await tx.fetch_row(_LOCK, {**which, "now": datetime.now(UTC)})
            if row is None:
                return
            letter = await self._prepare(tx, row, datetime.now(UTC))
        if letter is None:
            return
        try:
            await self._sender.send(mail_id, row["email"], letter)
        except (OSError, ValueError) as error:
            log.warning("mail not sent", mail=mail_id, tenant_id=tenant_id,
                        attempts=row["attempts"], error=error)  # fmt: skip
            return
        async with self._database.transaction(tenant_id) as tx:
            await tx.execute(_DONE, which)

    async def _prepare(self, tx: Tx, row: Record, now: datetime) -> Letter | None:
        """What to send, a link with a token of its own; None for what means nothing any more."""
        which = {"tenant_id": str(row["tenant_id"]), "id": str(row["id"])}
        is_active = row["state"] == "ACTIVE" and row["delete_time"] is None
        if row["expire_time"] <= now or not is_active or not row["email"]:
            log.warning("mail given up", mail=which["id"], tenant_id=which["tenant_id"],
                        attempts=row["attempts"])  # fmt: skip
            await tx.execute(_DONE, which)
            return None
        await tx.execute(_TRY, {**which, "next": now + retry_after(row["attempts"])})
        return Letter(
            kind=row["kind"],
            language=row["language"],
            user_name=row["name"],
            login=row["login"],
            tenant_name=row["tenant_name"],
            link=await self._link(tx, row, now) if row["kind"] in LINKED else "",
        )

    async def _link(self, tx: Tx, row: Record, now: datetime) -> str:
        token = new_token("crm_pr_")
        values = {
            "tenant_id": str(row["tenant_id"]),
            "token_hash": hash_of(token),
            "user_id": str(row["user_id"]),
            "expire_time": now + LIFETIMES[row["kind"]],
        }
        await tx.execute(_TOKEN, values)
        return LINK.format(public_url=self._public_url, token=token)
