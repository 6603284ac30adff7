"""The declaration of a resource: one literal per resource, checked at start-up."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message
from sqlalchemy import Table

from chassis.call import Call
from chassis.db.pool import Tx

Row = dict[str, object]
# The field of what has a series of numbers.
NUMBER = "number"
# (call, tx, row, message as sent); the message holds what has no column, such as a password.
PrepareCreate = Callable[[Call, Tx, Row, Message], Awaitable[None]]
# (call, tx, row before, values to change, message as sent)
PrepareUpdate = Callable[[Call, Tx, Row, Row, Message], Awaitable[None]]
PrepareDelete = Callable[[Call, Tx, Row], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that holds the id of a record of another resource; `service` is empty for our own."""

    field: str
    resource: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A table whose living rows keep a record from being deleted; `field` points to the record.

    Those that cannot live alone are `dependent`: a forced deletion takes them along.
    """

    table: Table
    field: str
    dependent: bool = False


@dataclass(frozen=True, eq=False)
class Resource:
    """What the engine must know beyond the proto.

    `filterable`, `orderable` and `searchable` (texts only) name fields, `choices` those that hold
    the id of a choice of their pick-list; `unique` maps index names to the field they keep unique;
    `importable` names output-only fields that an import may set as history had them; `number` is
    what the automatic numbers of new records begin with. The hooks may change the row or raise.
    """

    message: type[Message]
    table: Table
    filterable: tuple[str, ...]
    orderable: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    children: tuple[Child, ...] = ()
    unique: Mapping[str, str] = field(default_factory=dict)
    importable: tuple[str, ...] = ()
    searchable: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    number: str = ""
    prepare_create: PrepareCreate | None = None
    prepare_update: PrepareUpdate | None = None
    prepare_delete: PrepareDelete | None = None
