"""A tenant's own fields and pick-lists as a service knows them: values without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import orjson

CUSTOM = "custom_fields"
NOTHING = "{}"


class Kind(StrEnum):
    """What values a field has; the names are those of the proto."""

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    MONEY = "MONEY"
    DATE = "DATE"
    BOOLEAN = "BOOLEAN"
    CHOICE = "CHOICE"
    MULTI_CHOICE = "MULTI_CHOICE"
    REFERENCE = "REFERENCE"


CHOOSING = frozenset({Kind.CHOICE, Kind.MULTI_CHOICE})
UNIQUE_KINDS = frozenset({Kind.TEXT, Kind.NUMBER, Kind.DATE, Kind.REFERENCE})
INDEX_KINDS = UNIQUE_KINDS | {Kind.MONEY, Kind.CHOICE}


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry of a pick-list; a deleted one is kept for the records that still hold it."""

    id: str
    label: str
    color: str = ""
    is_default: bool = False
    retired: bool = False
    deleted: bool = False

    @property
    def open(self) -> bool:
        """Whether records may get it."""
        return not (self.retired or self.deleted)


Choices = Mapping[str, Choice]


def ids_by_label(choices: Choices) -> dict[str, str]:
    """What the labels of a list stand for in filters."""
    return {one.label: one.id for one in choices.values() if not one.deleted}


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """One field; `default` is a value as it is stored, None for none."""

    id: str
    name: str
    label: str
    kind: Kind
    description: str = ""
    required: bool = False
    unique: bool = False
    searchable: bool = False
    default: object = None
    reference: str = ""
    retired: bool = False
    deleted: bool = False
    index_state: str = "NOT_INDEXED"
    sensitive: bool = False
    choices: Choices = field(default_factory=dict)

    @property
    def path(self) -> str:
        """As errors, filters and access rules name it."""
        return f"{CUSTOM}.{self.name}"

    @property
    def indexed(self) -> bool:
        """Whether filters and orders go by the side table."""
        return self.index_state == "READY"

    @property
    def tracked(self) -> bool:
        """Whether the side table has a row for every record."""
        return self.unique or self.index_state != "NOT_INDEXED"


@dataclass(frozen=True, eq=False)
class OwnFields:
    """What a tenant has added to one collection: fields, deleted ones too, and the lists of its
    pick-list fields by the name of the field.
    """

    definitions: tuple[Definition, ...] = ()
    lists: Mapping[str, Choices] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> Mapping[str, Definition]:
        """The living fields in their order."""
        return {one.name: one for one in self.definitions if not one.deleted}

    @cached_property
    def by_id(self) -> Mapping[str, Definition]:
        """The living fields."""
        return {one.id: one for one in self.by_name.values()}

    @cached_property
    def tracked(self) -> tuple[Definition, ...]:
        """Those that the side table has rows of, deleted ones too, because they may come back."""
        return tuple(one for one in self.definitions if one.tracked)

    @cached_property
    def masked(self) -> frozenset[str]:
        """The paths of those whose values no history shows."""
        return frozenset(one.path for one in self.definitions if one.sensitive)

    @cached_property
    def references(self) -> tuple[Definition, ...]:
        """Those that name records."""
        return tuple(one for one in self.by_name.values() if one.kind is Kind.REFERENCE)

    def searched_texts(self, stored: object) -> dict[str, str]:
        """The texts that searches look at by the id of their field, deleted ones too."""
        searched = [one.id for one in self.definitions if one.searchable]
        values = stored_values(stored) if searched and stored != NOTHING else {}
        return {one: str(values[one]) for one in searched if one in values}

    def shown(self, stored: str) -> dict[str, object]:
        """Values by name, from the JSON column that has them by id."""
        if stored == NOTHING:
            return {}
        values = stored_values(stored)
        return {one.name: values[key] for key, one in self.by_id.items() if key in values}


NO_FIELDS = OwnFields()


@dataclass(frozen=True, eq=False)
class CustomFields:
    """The own fields of one tenant in one service, by collection."""

    collections: Mapping[str, OwnFields] = field(default_factory=dict)

    def of(self, plural: str) -> OwnFields:
        """Those of one collection."""
        return self.collections.get(plural, NO_FIELDS)


NO_CUSTOM_FIELDS = CustomFields()


def stored_values(stored: object) -> dict[str, object]:
    """Values by the id of their field, from the JSON column."""
    values: dict[str, object] = orjson.loads(str(stored)) if stored else {}
    return values
