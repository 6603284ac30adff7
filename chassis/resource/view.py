"""A resource as one caller sees it: without the fields that his roles hide from him."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import Message

from chassis.access.field_rules import HIDDEN, READ, FieldAccess
from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.errors import CrmError
from chassis.filter.fields import FilterField
from chassis.resource.fields import Field
from chassis.resource.order_by import OrderField
from chassis.resource.plan import ALWAYS_RETURNED, Plan

NO_FIELD = "There is no such field."
NOT_SETTABLE = "You may not set this field."
CUSTOM = "custom_fields"
VIEWS_MAX = 1000


@dataclass(frozen=True, eq=False)
class View:
    """What may be read, asked for and set; a hidden field is as good as not there."""

    plan: Plan
    access: FieldAccess

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The fields that may be read."""
        hidden = self.access.hidden - set(ALWAYS_RETURNED)
        return {name: one for name, one in self.plan.fields.items() if name not in hidden}

    @cached_property
    def filters(self) -> Mapping[str, FilterField]:
        """The fields that filters may name; parts of a field (`amount.amount`) go with it."""
        filters = self.plan.filters
        return {name: one for name, one in filters.items() if name.split(".")[0] in self.fields}

    @cached_property
    def searched(self) -> tuple[str, ...]:
        """The fields whose texts searches look at."""
        search = self.plan.search
        return tuple(name for name in search.fields if name in self.fields) if search else ()

    @cached_property
    def orders(self) -> Mapping[str, OrderField]:
        """The fields that order_by may name."""
        return {name: one for name, one in self.plan.orders.items() if name in self.fields}

    @cached_property
    def all_names(self) -> tuple[str, ...]:
        """All fields as the engine's functions take them: () when nothing is hidden."""
        return () if len(self.fields) == len(self.plan.fields) else tuple(self.fields)

    def names(self, text: str) -> tuple[str, ...]:
        """The fields of a `fields` argument, in the order of the message; () for all."""
        if not text:
            return self.all_names
        asked = {part.strip() for part in text.split(",")} | set(ALWAYS_RETURNED)
        unknown = asked - set(self.fields) - {"etag"}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise invalid_fields([("fields", f"There is no such field: {names}.")])
        return tuple(name for name in self.fields if name in asked)

    @cached_property
    def _hidden_custom(self) -> tuple[str, ...]:
        """Names of the tenant's own fields that are hidden."""
        names = (one.partition(".") for one in self.access.hidden)
        return tuple(part for root, _, part in names if root == CUSTOM and part)

    def shown(self, message: Message) -> Message:
        """The message without what is hidden."""
        for name in self.plan.fields if self.all_names else ():
            if name not in self.fields:
                message.ClearField(name)
        for name in self._hidden_custom:
            message.custom_fields.fields.pop(name, None)  # type: ignore[attr-defined]  # every resource has them
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
    access = call.field_access(plan.plural)
    if access not in plan.views:
        if len(plan.views) >= VIEWS_MAX:
            plan.views.clear()
        plan.views[access] = View(plan, access)
    view: View = plan.views[access]
    return view
