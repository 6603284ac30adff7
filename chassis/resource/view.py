"""A resource as one caller sees it: without the fields that his roles hide from him."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from google.protobuf.message import Message

from chassis.access.field_rules import HIDDEN, READ, FieldAccess
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.custom_fields.fields import Source, own_filters, own_orders, own_sources, slot
from chassis.custom_fields.model import CUSTOM, OwnFields, ids_by_label
from chassis.errors import CrmError
from chassis.filter.fields import FilterField
from chassis.filter.order_by import OrderField
from chassis.resource.fields import Field
from chassis.resource.plan import ALWAYS_RETURNED, Plan

NO_FIELD = "There is no such field."
NOT_SETTABLE = "You may not set this field."
VIEWS_MAX = 1000


@dataclass(frozen=True, eq=False)
class View:
    """What may be read, asked for and set; a hidden field is as good as not there."""

    plan: Plan
    access: FieldAccess
    # A tenant's own fields, those hidden not among them.
    own: OwnFields

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The fields that may be read."""
        hidden = self.access.hidden - set(ALWAYS_RETURNED)
        return {name: one for name, one in self.plan.fields.items() if name not in hidden}

    @cached_property
    def filters(self) -> Mapping[str, FilterField]:
        """The fields that filters may name; parts of a field (`amount.amount`) go with it."""
        filters = self.plan.filters
        seen = {name: one for name, one in filters.items() if name.split(".")[0] in self.fields}
        for name in self.plan.resource.choices:
            if name in seen:
                seen[name] = replace(seen[name], stored=ids_by_label(self.own.lists.get(name, {})))
        return {**seen, **own_filters(self._sources)}

    @cached_property
    def searched(self) -> tuple[str, ...]:
        """The fields whose texts searches look at; the tenant's own by id."""
        own = (one.id for one in self.own.by_name.values() if one.searchable)
        return (*(name for name in self.plan.resource.searchable if name in self.fields), *own)

    @cached_property
    def orders(self) -> Mapping[str, OrderField]:
        """The fields that order_by may name."""
        seen = {name: one for name, one in self.plan.orders.items() if name in self.fields}
        return {**seen, **own_orders(self._sources)}

    @cached_property
    def _sources(self) -> Mapping[str, Source]:
        return own_sources(self.own, self.plan.resource.table)

    @cached_property
    def own_ids(self) -> Mapping[str, object]:
        """The values of the parameters that say which own field a condition is about."""
        return {slot(at): one.id for at, one in enumerate(self.own.definitions)}

    @cached_property
    def all_names(self) -> tuple[str, ...]:
        """All fields as the engine's functions take them: () when nothing is hidden."""
        return () if len(self.fields) == len(self.plan.fields) else tuple(self.fields)

    def names(self, text: str) -> tuple[str, ...]:
        """The fields of a `fields` argument, in the order of the message; () for all."""
        if not text:
            return self.all_names
        asked = {self._field_of(part.strip()) for part in text.split(",")} | set(ALWAYS_RETURNED)
        unknown = asked - set(self.fields) - {"etag"}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise invalid_fields([("fields", f"There is no such field: {names}.")])
        return tuple(name for name in self.fields if name in asked)

    def _field_of(self, name: str) -> str:
        """The field of the message that a part of it is returned with."""
        own = name.removeprefix(f"{CUSTOM}.")
        return CUSTOM if own != name and own in self.own.by_name else name

    def shown(self, message: Message) -> Message:
        """The message without what is hidden."""
        for name in self.plan.fields if self.all_names else ():
            if name not in self.fields:
                message.ClearField(name)
        if self.access.hidden and CUSTOM in self.fields:
            kept = message.custom_fields.fields  # type: ignore[attr-defined]  # resources without cannot have hidden ones
            for name in set(kept) - set(self.own.by_name):
                del kept[name]
        return message

    def rule(self, path: str) -> str:
        """Why the caller's roles do not let him set a field or a part of one; "" when they do."""
        return {HIDDEN: NO_FIELD, READ: NOT_SETTABLE}.get(self.access.level(path), "")

    def refusal(self, name: str) -> str:
        """Why a caller may not set a field; "" when he may."""
        descriptor = self.plan.descriptor.fields_by_name.get(name)
        one = self.plan.fields.get(name)
        rule = self.rule(name)
        if descriptor is None or rule == NO_FIELD:
            return NO_FIELD
        if name == "etag" or (one is not None and one.output_only):
            return "This field is output only."
        return rule

    def own_refusal(self, name: str) -> str:
        """Why a caller may not set one of the tenant's own fields; "" when he may."""
        return self.rule(f"{CUSTOM}.{name}") if name in self.own.by_name else NO_FIELD

    async def run_hook(self, hook: Callable[..., Awaitable[None]] | None, *given: object) -> None:
        """Run a hook, if there is one; its refusal does not name what is hidden."""
        if hook is None:
            return
        try:
            await hook(*given)
        except CrmError as error:
            seen = (one for one in error.fields if self.access.level(one[0]) != HIDDEN)
            error.fields = tuple(seen)
            raise


def view_of(call: Call, plan: Plan) -> View:
    """The resource as the caller sees it."""
    access, own = call.field_access(plan.plural), call.custom.of(plan.plural)
    known: View | None = plan.views.get((access, own))
    if known is None:
        if len(plan.views) >= VIEWS_MAX:
            plan.views.clear()
        known = plan.views[access, own] = View(plan, access, _seen(own, access))
    return known


def _seen(own: OwnFields, access: FieldAccess) -> OwnFields:
    kept = tuple(one for one in own.definitions if access.level(one.path) != HIDDEN)
    return own if len(kept) == len(own.definitions) else OwnFields(kept, own.lists)
