"""HistoryService: the changes of a record, as far as the caller may see its fields."""

from collections.abc import Iterator, Mapping, Sequence

import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from sqlalchemy import BigInteger, bindparam, select

from chassis.access.field_rules import HIDDEN
from chassis.access.people import names_of
from chassis.call import Call
from chassis.custom_fields.model import CUSTOM
from chassis.db.pool import Record, Tx
from chassis.db.sql import statement
from chassis.events.tables import CHANGE
from chassis.filter.page_token import (
    PageArguments,
    PageToken,
    decode_page_token,
    encode_page_token,
)
from chassis.resource.plan import Plan
from chassis.resource.read import get_record, plan_of
from chassis.resource.view import View, view_of
from chassis.rpc.methods import Methods, Unary
from crm.chassis.v1 import history_pb2 as pb

SERVICE = "crm.chassis.v1.HistoryService"
PAGE_SIZE = 50
VERSION_MAX = 2**62
MASK = "***"

# (field, value before, value after)
Change = tuple[str, object, object]
_COLUMNS = (
    "version", "event", "create_time", "actor_id", "through", "cause_id", "request_id", "changes",
)  # fmt: skip
_PAGE = statement(
    select(*(CHANGE.c[name] for name in _COLUMNS))
    .where(
        CHANGE.c.tenant_id == bindparam("tenant_id"),
        CHANGE.c.record_id == bindparam("record_id"),
        CHANGE.c.resource == bindparam("resource"),
        CHANGE.c.version < bindparam("before", type_=BigInteger()),
    )
    .order_by(CHANGE.c.version.desc())
    .limit(bindparam("limit"))
)


class Histories:
    """Handlers over the resources of one service; `key` signs page tokens."""

    def __init__(self, plans: Mapping[str, Plan], key: bytes) -> None:
        self._plans = plans
        self._key = key

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"ListHistory": Unary(self.list)}

    async def list(
        self, call: Call, tx: Tx, request: pb.ListHistoryRequest
    ) -> pb.ListHistoryResponse:
        """One page of a record's changes, newest first."""
        plan = plan_of(self._plans, request.resource)
        await get_record(call, tx, plan, request.id, ("id",))
        size = request.page_size or PAGE_SIZE
        arguments = PageArguments(
            call.tenant_id, f"{plan.name}/history", call.principal.id, filter=request.id
        )
        values = {
            "tenant_id": call.tenant_id,
            "record_id": request.id,
            "resource": plan.singular,
            "before": self._before(request.page_token, arguments),
            "limit": size + 1,
        }
        rows = await tx.fetch(_PAGE, values)
        page, token = rows[:size], ""
        if len(rows) > size:
            last = PageToken((page[-1]["version"],), call.now)
            token = encode_page_token(last, arguments, self._key)
        names = await names_of(call, tx, {row["actor_id"] for row in page})
        view = view_of(call, plan)
        entries = [_entry(view, row, names.get(row["actor_id"], "")) for row in page]
        return pb.ListHistoryResponse(entries=entries, next_page_token=token)

    def _before(self, token: str, arguments: PageArguments) -> int:
        if not token:
            return VERSION_MAX
        return int(str(decode_page_token(token, arguments, self._key).keys[0]))


def seen_changes(view: View, changes: Mapping[str, Mapping[str, object]]) -> Sequence[Change]:
    """What a caller may see of the changes in a change row; the tenant's own fields one by one."""
    return [
        (field, _masked(view, field, before), _masked(view, field, after))
        for field, before, after in _apart(changes)
        if view.access.level(field) != HIDDEN
    ]


def _apart(changes: Mapping[str, Mapping[str, object]]) -> Iterator[Change]:
    for field, change in changes.items():
        before, after = change.get("from"), change.get("to")
        if field != CUSTOM:
            yield field, before, after
            continue
        old, new = _object(before), _object(after)
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name):
                yield f"{CUSTOM}.{name}", old.get(name), new.get(name)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _masked(view: View, path: str, value: object) -> object:
    return MASK if value is not None and path in view.own.masked else value


def _entry(view: View, row: Record, actor_name: str) -> pb.HistoryEntry:
    return pb.HistoryEntry(
        version=row["version"],
        event=row["event"],
        time=row["create_time"],
        actor_id=row["actor_id"],
        actor_name=actor_name,
        through=row["through"],
        cause_id=row["cause_id"],
        request_id=row["request_id"],
        changes=[_change(one) for one in seen_changes(view, orjson.loads(row["changes"]))],
    )


def _change(change: Change) -> pb.FieldChange:
    field, before, after = change
    sides = {"from": before, "to": after}
    values = {
        name: ParseDict(value, Value())  # type: ignore[arg-type]  # a Value takes any JSON
        for name, value in sides.items()
        if value is not None
    }
    return pb.FieldChange(field=field, **values)
