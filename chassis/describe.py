"""DescribeService: what forms and lists need to know of a collection, as the caller sees it."""

from collections.abc import Mapping

from chassis.access.model import VERBS
from chassis.call import Call
from chassis.codec.validate import text_max
from chassis.contracts import comments
from chassis.custom_fields.fields import ORDERED
from chassis.custom_fields.model import CUSTOM, Choices, Definition, Kind
from chassis.custom_fields.values import TEXT_MAX, TRACKED_TEXT_MAX
from chassis.db.pool import Tx
from chassis.errors import PermissionDenied
from chassis.imports.mapping import field_problem
from chassis.resource.fields import Field, Form
from chassis.resource.plan import Plan
from chassis.resource.read import plan_of
from chassis.resource.view import View, view_of
from chassis.rpc.methods import Methods, Unary
from crm.chassis.v1 import describe_pb2 as pb

SERVICE = "crm.chassis.v1.DescribeService"
_KINDS: Mapping[Form, str] = {
    Form.TEXT: "TEXT", Form.NUMBER: "INTEGER", Form.BOOLEAN: "BOOLEAN", Form.UUID: "REFERENCE",
    Form.DATE: "DATE", Form.TIMESTAMP: "TIMESTAMP", Form.ENUM: "ENUM", Form.MONEY: "MONEY",
    Form.UUIDS: "REFERENCE_LIST", Form.TEXTS: "TEXT_LIST", Form.MESSAGES: "OBJECT_LIST",
}  # fmt: skip


class Descriptions:
    """Handlers over the collections of one service."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = plans

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"DescribeResource": Unary(self.describe)}

    async def describe(
        self, call: Call, _tx: Tx, request: pb.DescribeResourceRequest
    ) -> pb.ResourceDescription:
        """Fields, choices and rights; PermissionDenied for who may do nothing there at all."""
        plan = plan_of(self._plans, request.resource)
        verbs = [verb for verb in VERBS if _allowed(call, plan, verb)]
        if not verbs:
            plan.reach(call, "READ")
        view = view_of(call, plan)
        native = [_native(view, one) for one in view.fields.values() if one.name != CUSTOM]
        own = [_own(view, one) for one in view.own.by_name.values()]
        return pb.ResourceDescription(
            resource=plan.plural,
            label=comments().get(plan.descriptor.full_name, ""),
            fields=[*native, *own],
            verbs=verbs,
        )


def _allowed(call: Call, plan: Plan, verb: str) -> bool:
    try:
        plan.reach(call, verb)
    except PermissionDenied:
        return False
    return True


def _native(view: View, one: Field) -> pb.FieldDescription:
    """A field of the product; its label is what the contract says of it."""
    plan, name = view.plan, one.name
    listed = name in plan.resource.choices
    references = (known for known in plan.resource.references if known.field == name)
    path = f"{name}.amount" if one.form is Form.MONEY else name
    told = comments()
    return pb.FieldDescription(
        name=name,
        label=told.get(one.descriptor.full_name, ""),
        kind="CHOICE" if listed else _KINDS[one.form],
        required=one.required,
        output_only=one.output_only,
        immutable=one.immutable,
        writable=not view.refusal(name),
        filterable=name in view.filters,
        orderable=name in view.orders,
        searchable=name in view.searched,
        importable=not (field_problem(view, path) or view.rule(path)),
        max_length=text_max(one.descriptor),
        values=[
            pb.EnumValue(name=value, label=told.get(f"{_enum(one)}.{value}", ""))
            for value in one.choices
        ],
        choices=_choices(view.own.lists.get(name, {})) if listed else (),
        reference_resource=next((known.resource for known in references), ""),
    )


def _own(view: View, one: Definition) -> pb.FieldDescription:
    """One of the tenant's own fields."""
    longest = TRACKED_TEXT_MAX if one.tracked else TEXT_MAX
    writable = not (one.retired or view.own_refusal(one.name))
    return pb.FieldDescription(
        name=one.path,
        label=one.label,
        description=one.description,
        kind=one.kind.value,
        required=one.required,
        writable=writable,
        filterable=True,
        orderable=one.kind in ORDERED,
        searchable=one.searchable,
        importable=writable,
        max_length=longest if one.kind is Kind.TEXT else 0,
        choices=_choices(one.choices),
        reference_resource=one.reference,
        custom_field_id=one.id,
        unique_values=one.unique,
        retired=one.retired,
        indexed=one.indexed,
    )


def _choices(choices: Choices) -> list[pb.ChoiceDescription]:
    return [
        pb.ChoiceDescription(
            id=one.id,
            label=one.label,
            color=one.color,
            is_default=one.is_default,
            retired=one.retired,
        )
        for one in choices.values()
        if not one.deleted
    ]


def _enum(one: Field) -> str:
    enum = one.descriptor.enum_type
    return enum.full_name if enum else ""
