"""What is prepared for a resource once at start-up: fields, mappings, access columns, cached
statements.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any  # the reason stands where it is used

from google.api import resource_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from sqlalchemy import ColumnElement

from chassis.access.model import Reach
from chassis.access.place import place_of
from chassis.access.reaches import Reaches
from chassis.access.scope import (
    Columns,
    Shape,
    reach_values,
    scope_columns,
    table_reach_condition,
    table_reach_shape,
)
from chassis.call import Call, denied
from chassis.codec import encoder
from chassis.custom_fields.companion import OwnValues
from chassis.custom_fields.model import CUSTOM
from chassis.db.sql import Statement, StatementCache
from chassis.filter.fields import FilterField, filter_fields
from chassis.filter.order_by import OrderField
from chassis.resource.companion import Companion
from chassis.resource.fields import Field, Form, column_of, resource_fields
from chassis.resource.resource import NUMBER, Resource
from chassis.resource.rows import ToMessage, message_reader
from chassis.search.companion import SearchCompanion
from chassis.search.search import Search, make_search

ALWAYS_RETURNED = ("id",)
# The verbs that change nothing.
SEEN = frozenset({"READ", "EXPORT"})
# Callers choose what `fields` they ask for.
READERS_MAX = 1000
# What every resource has can be filtered and ordered by without a declaration.
COMMON_FILTERS = (
    "id", "create_time", "update_time", "delete_time", "external_source", "external_id", "tags",
    "owner_id", "department_id", "partner_company_id",
)  # fmt: skip
COMMON_ORDERS = ("create_time", "update_time")

__all__ = ["Plan", "make_plan", "reach_condition", "reach_shape", "reach_values"]


@dataclass(frozen=True, eq=False)
class Plan:
    """One resource, ready to work with."""

    resource: Resource
    fields: Mapping[str, Field]
    _statements: StatementCache = field(default_factory=StatementCache)
    _readers: dict[tuple[str, ...], ToMessage] = field(default_factory=dict)
    # What callers see, by what their roles hide; companions are written with every record.
    views: dict[Hashable, Any] = field(default_factory=dict)  # Any: views know plans
    companions: tuple[Companion, ...] = ()
    search: Search | None = None
    # The service that works with a resource which every service has.
    home: str = ""
    # The collection whose settings these are alone; "" for all of them and for every other record.
    of: str = ""

    @cached_property
    def descriptor(self) -> Descriptor:
        """Descriptor of the message."""
        return self.resource.message.DESCRIPTOR  # type: ignore[return-value]  # the stubs make it a union

    @cached_property
    def singular(self) -> str:
        """Name in events and errors, for example "customer"."""
        return str(self._naming.singular)

    @cached_property
    def plural(self) -> str:
        """Name of the collection and in grants, for example "customers"."""
        return str(self._naming.plural)

    @cached_property
    def name(self) -> str:
        """The name under which its records are worked on, for example "customers/choices"."""
        return f"{self.of}/{self.plural}" if self.of else self.plural

    @cached_property
    def service(self) -> str:
        """Service that owns the resource."""
        return self.home or self.descriptor.file.package.split(".")[1]

    @cached_property
    def _naming(self) -> resource_pb2.ResourceDescriptor:
        return self.descriptor.GetOptions().Extensions[resource_pb2.resource]  # type: ignore[index]  # the stubs know messages in general

    @cached_property
    def owned(self) -> bool:
        """Whether rows have an owner, so that scopes narrower than all mean something."""
        return "owner_id" in self.resource.table.c

    @cached_property
    def scope(self) -> Columns:
        """The columns that scopes of grants go by; the proto names them where they are others than
        owner_id and department_id.
        """
        return scope_columns(self.resource.table, place_of(self.descriptor))

    @cached_property
    def reaches(self) -> Reaches:
        """The reaches into its table: which are small, and what their indexes hold."""
        return Reaches(self.resource.table, self.scope)

    @cached_property
    def parent(self) -> str:
        """The field that names the row above, where scopes go by that; "" for most."""
        return str(place_of(self.descriptor).parent)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """All columns that make up a record."""
        names = [name for one in self.fields.values() for name in one.columns]
        return tuple(dict.fromkeys([*names, *self._marks]))

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        """The columns that every read needs; records that never change have no version."""
        return tuple(name for name in ("id", "version") if name in self.resource.table.c)

    @cached_property
    def writable(self) -> tuple[Field, ...]:
        """The fields that callers may set."""
        return tuple(one for one in self.fields.values() if not one.output_only)

    @cached_property
    def filters(self) -> Mapping[str, FilterField]:
        """Filter fields: the common and the declared ones."""
        common = [name for name in COMMON_FILTERS if name in self.fields]
        declared = dict.fromkeys((*common, *self.resource.filterable))
        return filter_fields(self._filter_field(name) for name in declared)

    @cached_property
    def orders(self) -> Mapping[str, OrderField]:
        """Order fields: the common and the declared ones."""
        common = [name for name in COMMON_ORDERS if name in self.fields]
        names = dict.fromkeys((*common, *self.resource.orderable))
        return {name: self._order_field(name) for name in names}

    @cached_property
    def identifier(self) -> OrderField:
        """The field that breaks ties."""
        return self._order_field("id")

    @cached_property
    def encode(self) -> Callable[[Message], dict[str, object]]:
        """Message to the JSON that events and history carry."""
        return encoder(self.resource.message)

    def to_message(self, names: tuple[str, ...]) -> ToMessage:
        """The function from a row to a message with the named fields, all when empty."""
        if names not in self._readers:
            if len(self._readers) >= READERS_MAX:
                self._readers.clear()
            chosen = [one for name, one in self.fields.items() if not names or name in names]
            self._readers[names] = message_reader(self.resource.message, chosen)
        return self._readers[names]

    def columns_of(self, names: tuple[str, ...]) -> list[ColumnElement[object]]:
        """The columns to read for these fields, all when empty."""
        table = self.resource.table
        if not names:
            return [table.c[name] for name in self.column_names]
        wanted = [column for name in names for column in self.fields[name].columns]
        return [table.c[name] for name in dict.fromkeys([*wanted, *self._marks])]

    def reach(self, call: Call, verb: str) -> Reach:
        """Rows that the caller may do the verb to, as `Call.reach`; what belongs to nobody is
        everybody's to read, and no partner company's to change. The settings of a collection go by
        the rights on that.
        """
        if self.of and verb in SEEN:
            call.reach(self.of, "READ")
        elif self.of:
            call.require_all(self.of, "CONFIGURE")
        if self.of:
            return Reach(everything=True, of=self.of, without=call.hidden_settings(self.of))
        reach, scope = call.reach(self.plural, verb), self.scope
        if reach.company_id and verb not in SEEN and scope.owner is scope.department is None:
            raise denied(self.plural, verb)
        return reach

    def cached(self, key: Hashable, build: Callable[[], Statement]) -> Statement:
        """The statement of that shape, compiled at first use."""
        return self._statements.get(key, build)

    def _filter_field(self, name: str) -> FilterField:
        one = self._declared(name)
        if one.kind is None:
            raise ValueError(f"{self.singular}.{name} cannot be filtered")
        table = self.resource.table
        currency = table.c[one.columns[1]] if one.form is Form.MONEY else None
        return FilterField(
            name, column_of(table, one), one.kind, choices=one.choices, currency=currency
        )

    def _order_field(self, name: str) -> OrderField:
        one = self._declared(name)
        if one.kind is None:
            raise ValueError(f"{self.singular}.{name} cannot be ordered by")
        column = column_of(self.resource.table, one)
        return OrderField(name, column, one.kind, nullable=one.nullable)

    def _declared(self, name: str) -> Field:
        if name not in self.fields:
            raise ValueError(f"{self.singular} has no field {name}")
        return self.fields[name]


def make_plan(resource: Resource, service: str = "") -> Plan:
    """Check a declaration and prepare it; a wrong one raises ValueError with one line. What every
    service has is told which one it is in.
    """
    descriptor = resource.message.DESCRIPTOR
    fields = resource_fields(descriptor, resource.table)  # type: ignore[arg-type]  # the stubs make it a union
    plan = Plan(resource, fields, home=service)
    own: tuple[Companion, ...] = (OwnValues(plan.plural),) if CUSTOM in fields else ()
    if own or resource.searchable:
        search = make_search(resource.table, resource.searchable)
        plan = replace(plan, search=search, companions=(SearchCompanion(search, plan.plural), *own))
    names = {reference.field for reference in resource.references} | set(resource.importable)
    names |= set(resource.choices) | ({NUMBER} if resource.number else set())
    unknown = (names | set(resource.unique.values())) - set(plan.fields)
    texts = {name for name, one in fields.items() if one.form is Form.TEXT}
    unknown |= set(resource.searchable) - texts
    if unknown:
        raise ValueError(f"{plan.singular} has no such field: {', '.join(sorted(unknown))}")
    # Touched here so that a wrong declaration stops the process at start-up.
    if not plan.filters or not plan.orders:
        raise ValueError(f"{plan.singular} can neither be filtered nor ordered")
    return plan


def reach_shape(plan: Plan, reach: Reach) -> Shape:
    """What of a reach decides about the SQL text."""
    return table_reach_shape(plan.scope, reach)


def reach_condition(plan: Plan, shape: Shape, *, walked: bool = False) -> list[ColumnElement[bool]]:
    """The conditions that keep a statement to the rows within reach; `walked` row by row."""
    return table_reach_condition(plan.scope, shape, walked=walked)
