"""What may be declared: the hooks of the two resources that hold own fields and choices."""

from collections.abc import Mapping

from google.protobuf.message import Message

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.contracts import owners
from chassis.custom_fields.model import CHOOSING, CUSTOM, UNIQUE_KINDS, Definition, Kind
from chassis.custom_fields.room import CHOICES, FIELDS
from chassis.custom_fields.tables import CHOICE, FIELD
from chassis.custom_fields.values import BadValue, stored_value, value_of_text
from chassis.db.pool import Tx
from chassis.errors import FailedPrecondition
from chassis.resource.plan import Plan
from chassis.resource.resource import Resource, Row
from crm.chassis.v1.choice_pb2 import Choice
from crm.chassis.v1.custom_field_pb2 import CustomField

EVERY_SERVICE = "chassis"
NO_DEFAULT = CHOOSING | {Kind.REFERENCE}


class NotRetired(FailedPrecondition):
    """Only what is retired may be deleted, so that nobody loses sight of values by a slip."""

    def __init__(self, name: str, record_id: object) -> None:
        super().__init__(
            "NOT_RETIRED",
            f"Retire the {name} first; then it can be deleted.",
            metadata={"resource": name, "id": str(record_id)},
        )


class FieldSensitive(FailedPrecondition):
    """History is masked by the name of the field, for as long as there is history."""

    def __init__(self) -> None:
        super().__init__(
            "FIELD_SENSITIVE",
            "A sensitive field keeps its name and is retired instead of deleted, "
            "so that no history shows its values.",
        )


class Rules:
    """The hooks; `plans` are the collections of the service by name, as far as they are made."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = plans

    def custom_field(self) -> Resource:
        """The declaration of own fields."""
        return Resource(
            message=CustomField,
            table=FIELD,
            filterable=("resource", "name", "label", "kind", "retired", "position"),
            orderable=("position",),
            unique={"uq_custom_field_name": "name"},
            searchable=("label", "name", "description"),
            prepare_create=self._new_field,
            prepare_update=self._changed_field,
            prepare_delete=self._deleted_field,
        )

    def choice(self) -> Resource:
        """The declaration of choices."""
        return Resource(
            message=Choice,
            table=CHOICE,
            filterable=("resource", "field", "label", "is_default", "retired", "position"),
            orderable=("position",),
            unique={"uq_choice_label": "label", "uq_choice_default": "is_default"},
            searchable=("label",),
            prepare_create=self._new_choice,
            prepare_delete=self._deleted_choice,
        )

    async def _new_field(self, call: Call, tx: Tx, row: Row, _message: Message) -> None:
        row["index_state"] = "NOT_INDEXED"
        one = _definition(row)
        target = owners().get(one.reference, EVERY_SERVICE)
        told = {
            "reference_resource": (one.kind is Kind.REFERENCE) != bool(one.reference)
            or (bool(one.reference) and target == EVERY_SERVICE),
            "unique_values": one.unique and one.kind not in UNIQUE_KINDS,
            "searchable": one.searchable and one.kind is not Kind.TEXT,
        }
        problems = [(name, f"It does not fit {one.kind}.") for name, odd in told.items() if odd]
        if problems:
            raise invalid_fields(problems)
        _check_default(one, row)
        tx.after(FIELDS.require, call, row)

    async def _changed_field(
        self, call: Call, _tx: Tx, before: Row, row: Row, _message: Message
    ) -> None:
        resource, name = str(before["resource"]), before["name"]
        if before["sensitive"] and row.get("name", name) != name:
            raise FieldSensitive
        ruled = (one.get(resource, {}) for one in call.access.field_rules.values())
        if row.get("name", name) != name and any(f"{CUSTOM}.{name}" in one for one in ruled):
            text = "Roles have rules on the field by its name; take them away first."
            raise FailedPrecondition("FIELD_HAS_RULES", text)
        _check_default(_definition(before | row), row)

    async def _deleted_field(self, _call: Call, _tx: Tx, before: Row) -> None:
        if not before["retired"]:
            raise NotRetired("custom_field", before["id"])
        if before["sensitive"]:
            raise FieldSensitive
        if before["index_state"] != "NOT_INDEXED":
            text = "Drop the index of the field first; then it can be deleted."
            raise FailedPrecondition("FIELD_INDEXED", text)

    async def _new_choice(self, call: Call, tx: Tx, row: Row, _message: Message) -> None:
        resource, name = str(row["resource"]), str(row["field"])
        field = call.custom.of(resource).by_id.get(name)
        listed = field is not None and field.kind in CHOOSING
        if not listed and name not in self._plans[resource].resource.choices:
            raise invalid_fields([("field", "There is no field with a list of choices so named.")])
        tx.after(CHOICES.require, call, row)

    async def _deleted_choice(self, _call: Call, _tx: Tx, before: Row) -> None:
        if not before["retired"]:
            raise NotRetired("choice", before["id"])


def _definition(row: Row) -> Definition:
    return Definition(
        id=str(row["id"]),
        name=str(row["name"]),
        label=str(row["label"]),
        kind=Kind(str(row["kind"])),
        unique=bool(row["unique_values"]),
        searchable=bool(row["searchable"]),
        reference=str(row["reference_resource"] or ""),
        index_state=str(row["index_state"]),
    )


def _check_default(one: Definition, row: Row) -> None:
    """A default must be a value of the field."""
    text = str(row.get("default_value") or "")
    if not text:
        return
    if one.kind in NO_DEFAULT or one.unique:
        refused = "Such a field has no default of its own."
        raise invalid_fields([("default_value", refused)])
    try:
        stored_value(one, value_of_text(one, text))
    except BadValue as error:
        raise invalid_fields([("default_value", str(error))]) from None
