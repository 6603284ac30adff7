"""One list as it is asked for: filter, order, position and reach; its conditions in SQL."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam

from chassis.access.model import Reach
from chassis.access.scope import beside, beside_values
from chassis.call import Call
from chassis.filter.condition import CompiledFilter, compile_filter
from chassis.filter.fields import FilterField
from chassis.filter.order_by import Order, OrderField, Position, parse_order_by
from chassis.filter.page_token import PageArguments, decode_page_token
from chassis.filter.parser import parse_filter
from chassis.filter.values import FilterContext
from chassis.resource.plan import Plan, reach_condition, reach_shape, reach_values
from chassis.resource.view import View, view_of
from crm.type.v1.requests_pb2 import ListRequest


@dataclass(frozen=True, slots=True)
class Query:
    """A checked request for a page, for one caller."""

    plan: Plan
    view: View
    request: ListRequest
    names: tuple[str, ...]
    filter: CompiledFilter
    order: Order
    position: Position | None
    reach: Reach
    # A second verb's, when it reaches others.
    also: Reach | None
    now: datetime

    @property
    def shape(self) -> Hashable:
        """What decides about the SQL text."""
        return (
            self.names,
            self.filter.shape,
            self.order.text,
            self.position.shape if self.position else None,
            self.reach_shapes,
            self.request.show_deleted,
        )

    @property
    def narrow(self) -> bool:
        """Whether the reach leaves out rows of the tenant."""
        return any(reach_shape(self.plan, self.reach)) or self.also is not None

    @property
    def sided(self) -> bool:
        """Whether a side table has the order."""
        return any(term.field.ties for term in self.order.terms)

    @property
    def held(self) -> bool:
        """Whether the indexes of row scope decide and order it, but for frequent words."""
        ordered = {term.field.column for term in self.order.terms}
        return ordered <= self.plan.reaches.held and self.filter.decided(self.plan.reaches.held)

    @property
    def inside(self) -> "Query":
        """The same, ordered by what is in the records alone."""
        order, position = self.order.inside, self.position
        return replace(self, order=order, position=position and replace(position, order=order))

    @property
    def skewed(self) -> bool:
        """Whether the best plan depends on the values."""
        return self.narrow or bool(self.request.filter)

    @property
    def reach_shapes(self) -> Hashable:
        """What of the reaches decides about it."""
        plan, also = self.plan, self.also
        return reach_shape(plan, self.reach), reach_shape(plan, also) if also else None

    @property
    def values(self) -> dict[str, object]:
        """The values to bind."""
        keys = self.position.values if self.position else {}
        also = beside_values(self.also) if self.also else {}
        reach = reach_values(self.reach)
        return {**self.filter.values, **keys, **self.view.own_ids, **reach, **also}


def filter_context(call: Call, now: datetime) -> FilterContext:
    """What relative values in filters are relative to."""
    member = call.access.members.get(call.user_id)
    return FilterContext(
        now=now,
        zone=ZoneInfo(call.access.time_zone),
        user_id=call.user_id,
        department_id=(member.department_id or None) if member else None,
    )


def page_arguments(call: Call, plan: Plan, request: ListRequest) -> PageArguments:
    """What a page token must have been given for."""
    return PageArguments(
        tenant_id=call.tenant_id,
        resource=plan.name,
        principal=call.principal.id,
        filter=request.filter,
        order_by=request.order_by,
        fields=request.fields,
        show_deleted=request.show_deleted,
    )


def make_query(
    call: Call, plan: Plan, request: ListRequest, arguments: PageArguments, key: bytes
) -> Query:
    """Check filter, order, fields and token; a wrong one raises InvalidArgument."""
    view = view_of(call, plan)
    order = parse_order_by(request.order_by, view.orders, plan.identifier)
    now, position = call.now, None
    if request.page_token:
        token = decode_page_token(request.page_token, arguments, key)
        now, position = token.now, order.after(token.keys)
    return Query(
        plan=plan,
        view=view,
        request=request,
        names=view.names(request.fields),
        filter=filter_of(call, view, request.filter, now),
        order=order,
        position=position,
        reach=plan.reach(call, "READ"),
        also=None,
        now=now,
    )


def filter_of(call: Call, view: View, text: str, now: datetime) -> CompiledFilter:
    """A filter over what the caller sees of a resource; a wrong one raises InvalidArgument."""
    found = view.plan.search if view.searched else None
    search = found.filter(call.tenant_id, view.searched) if found else None
    return compile_filter(parse_filter(text), view.filters, filter_context(call, now), search)


def key_label(at: int) -> str:
    """Name of the column that holds a key of the order."""
    return f"order_key_{at}"


def list_conditions(
    query: Query,
    filters: Sequence[ColumnElement[bool]],
    ordered: Sequence[OrderField] = (),
    *,
    walked: bool = False,
) -> list[ColumnElement[bool]]:
    """Tenant, filters, reach, and no record of the recycle bin unless asked for."""
    used: list[FilterField | OrderField] = [*query.filter.columns.values(), *ordered]
    return [*filters, *tied(used), *within(query, walked=walked)]


def tied(fields: Iterable[FilterField | OrderField]) -> list[ColumnElement[bool]]:
    """What ties side tables to the record; a field that is filtered and ordered by is tied once."""
    ties = {id(one.ties): one.ties for one in fields}
    return [condition for tie in ties.values() for condition in tie]


def within(query: Query, *, walked: bool = False) -> list[ColumnElement[bool]]:
    """Tenant, reach, and no record of the recycle bin unless asked for."""
    shape = reach_shape(query.plan, query.reach)
    return [
        *reach_condition(query.plan, shape, walked=walked),
        *beside_reach(query, walked=walked),
    ]


def beside_reach(query: Query, *, walked: bool = False) -> list[ColumnElement[bool]]:
    """The same without the reach of the first verb."""
    plan = query.plan
    table = plan.resource.table
    conditions: list[ColumnElement[bool]] = [table.c.tenant_id == bindparam("tenant_id")]
    if query.also:
        also = reach_condition(plan, reach_shape(plan, query.also), walked=walked)
        conditions += beside(also)
    if not query.request.show_deleted and "delete_time" in table.c:
        conditions.append(table.c.delete_time.is_(None))
    return conditions
