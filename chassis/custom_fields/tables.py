"""The tables of own fields and pick-lists, which every service with collections has."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from chassis.db.indexes import list_indexes
from chassis.db.schema import new_metadata, resource_columns, resource_constraints
from chassis.search.table import search_table

LIVING = text("delete_time IS NULL")
UNIQUE_VALUE = "uq_custom_value_unique_key"
# Which column of the side table has the value; a row is in the indexes of that column only.
FORMS = {"text": "text_value", "number": "number_value", "date": "date_value"}


def custom_tables(metadata: MetaData) -> dict[str, Table]:
    """Declare the tables in a service's metadata; by name."""
    declare = (_custom_field, _choice, _custom_value)
    return {table.name: table for table in (one(metadata) for one in declare)}


def _custom_field(metadata: MetaData) -> Table:
    table = Table(
        "custom_field",
        metadata,
        *resource_columns(owned=False),
        Column("resource", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("label", Text, nullable=False),
        Column("description", Text),
        Column("kind", Text, nullable=False),
        Column("required", Boolean, nullable=False),
        Column("unique_values", Boolean, nullable=False),
        Column("searchable", Boolean, nullable=False),
        Column("default_value", Text),
        Column("reference_resource", Text),
        Column("position", Integer, nullable=False),
        Column("retired", Boolean, nullable=False),
        Column("index_state", Text, nullable=False),
        Column("sensitive", Boolean, nullable=False, server_default=text("false")),
        *resource_constraints("custom_field"),
        CheckConstraint("index_state IN ('NOT_INDEXED','BUILDING','READY')", name="index_state"),
        Index(
            "uq_custom_field_name", "tenant_id", "resource", "name",
            unique=True, postgresql_where=LIVING,
        ),
        Index("ix_custom_field_resource", "tenant_id", "resource", "position", "id"),
    )  # fmt: skip
    list_indexes(table, orderable=("position",))
    search_table(table)
    return table


def _choice(metadata: MetaData) -> Table:
    table = Table(
        "choice",
        metadata,
        *resource_columns(owned=False),
        Column("resource", Text, nullable=False),
        Column("field", Text, nullable=False),
        Column("label", Text, nullable=False),
        Column("position", Integer, nullable=False),
        Column("color", Text),
        Column("is_default", Boolean, nullable=False),
        Column("retired", Boolean, nullable=False),
        *resource_constraints("choice"),
    )
    of_list = (table.c.tenant_id, table.c.resource, table.c.field)
    label = func.lower(table.c.label)
    Index("uq_choice_label", *of_list, label, unique=True, postgresql_where=LIVING)
    single = text("is_default AND delete_time IS NULL")
    Index("uq_choice_default", *of_list, unique=True, postgresql_where=single)
    Index("ix_choice_list", *of_list, table.c.position, table.c.id)
    list_indexes(table, orderable=("position",))
    search_table(table)
    return table


def _custom_value(metadata: MetaData) -> Table:
    """A row for each record and each field that is unique or has an index, also where the record
    has no value: lists walk it in order.
    """
    table = Table(
        "custom_value",
        metadata,
        Column("tenant_id", UUID(as_uuid=False), nullable=False),
        Column("field_id", UUID(as_uuid=False), nullable=False),
        Column("record_id", UUID(as_uuid=False), nullable=False),
        Column("form", Text, nullable=False),
        Column("text_value", Text),
        Column("number_value", Numeric),
        Column("date_value", Date),
        # Only of living records.
        Column("unique_key", Text),
        PrimaryKeyConstraint("tenant_id", "field_id", "record_id"),
        Index("ix_custom_value_record_id", "tenant_id", "record_id"),
    )
    field = (table.c.tenant_id, table.c.field_id)
    key = table.c.unique_key
    Index(UNIQUE_VALUE, *field, key, unique=True, postgresql_where=key.is_not(None))
    for form, name in FORMS.items():
        value, record, own = table.c[name], table.c.record_id, text(f"form = '{form}'")
        Index(f"ix_custom_value_{form}", *field, value, record, postgresql_where=own)
        back = (value.desc().nulls_last(), record.desc())
        Index(f"ix_custom_value_{form}_desc", *field, *back, postgresql_where=own)
    return table


_TABLES = custom_tables(new_metadata())
FIELD, CHOICE, VALUE = (_TABLES[name] for name in ("custom_field", "choice", "custom_value"))
