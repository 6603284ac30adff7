"""A row on its way to a record: its cells by field path, then the message that they make."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from google.protobuf.message import Message

from chassis.custom_fields.model import CUSTOM
from chassis.custom_fields.values import BadValue, choice_id, items, value_of_text
from chassis.imports.cells import BadRow, read_cells
from chassis.imports.convert import convert, scaled, shown
from chassis.imports.mapping import KEY, SOURCE, ImportMapping, Target
from chassis.imports.records import Record
from chassis.operations.lines import unguarded
from chassis.operations.task import Problem
from chassis.resource.fields import Form
from crm.type.v1.money_pb2 import Money

# What spreadsheets write for a value that they could not work out.
ERROR_VALUE = re.compile(r"#(?:N/A|GETTING_DATA|[A-Z]+(?:/0)?[!?])")


@dataclass(frozen=True, slots=True)
class Known:
    """What the cells of a batch name: ids by (field path, cell).

    `rehearsed` are (field, value) of records that only a rehearsal has made; `final` says that
    nothing more is to come.
    """

    found: Mapping[tuple[str, str], Sequence[str]]
    rehearsed: Collection[tuple[str, str]] = ()
    final: bool = False


@dataclass(slots=True)
class Draft:
    """One row; `later` when the record it points to is to be imported first."""

    record: Record
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    later: bool = False
    message: Message | None = None
    names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The external id; "" for none."""
        return self.texts.get(KEY, "")

    @property
    def digest(self) -> bytes:
        """The same for the same content."""
        text = "\0".join(f"{path}\1{self.texts[path]}" for path in sorted(self.texts))
        return blake2b(text.encode(), digest_size=16).digest()

    def refuse(self, column: str, reason: str) -> None:
        """Note why the row fails."""
        self.problems.append(Problem(self.record.row, column, reason))


def read_draft(mapping: ImportMapping, record: Record, delimiter: str, count: int) -> Draft:
    """The mapped cells of a record, trimmed, with their meanings; BrokenFile when it is the end."""
    draft = Draft(record)
    try:
        cells = read_cells(record, delimiter, count)
    except BadRow as error:
        draft.refuse("", str(error))
        return draft
    texts = draft.texts
    for target in mapping.columns:
        cell = unguarded(cells[target.index].strip())
        text = scaled(target.values.get(cell, cell), target.factor)
        if ERROR_VALUE.fullmatch(text):
            draft.refuse(target.column, f"The cell holds the error {text}.")
        elif text:
            texts[target.path] = text
    for path, text in mapping.defaults.items():
        if text:
            texts.setdefault(path, text)
    return draft


def matched_values(target: Target, draft: Draft) -> list[str]:
    """What a draft's cell names in the records that the column points to."""
    text = draft.texts.get(target.path, "")
    if not text:
        return []
    return items(text) if target.field.form is Form.UUIDS else [text]


def fill(mapping: ImportMapping, draft: Draft, known: Known) -> None:
    """Make the message, or say why there is none, or that it is to be made later."""
    values: dict[str, object] = {}
    resolved = _resolve(mapping, draft, known)
    for path, text in draft.texts.items():
        name, _, part = path.partition(".")
        try:
            if path in resolved:
                _set_reference(mapping, values, name, resolved[path])
            elif name == CUSTOM:
                _set_own(mapping, values.setdefault(name, {}), part, text)
            elif name in mapping.plan.resource.choices:
                values[name] = choice_id(mapping.own.lists.get(name, {}), text)
            elif not part:
                values[name] = convert(mapping.fields[name], text)
        except BadValue as error:
            draft.refuse(mapping.column_of(path), str(error))
    values |= _money(mapping, draft)
    own = values.get(CUSTOM)
    if isinstance(own, dict):
        values[CUSTOM] = {name: value for name, value in own.items() if not _no_amount(value)}
    if draft.problems or draft.later:
        return
    if mapping.spec.external_source:
        values[SOURCE] = mapping.spec.external_source
    draft.names = tuple(values)
    draft.message = mapping.plan.resource.message(**values)


def _set_reference(
    mapping: ImportMapping, values: dict[str, object], name: str, ids: list[str]
) -> None:
    if mapping.fields[name].form is Form.UUIDS:
        values[name] = ids
    elif ids:
        values[name] = ids[0]


def _set_own(mapping: ImportMapping, own: object, path: str, text: str) -> None:
    """One of the tenant's own fields, or a part of one."""
    assert isinstance(own, dict)
    name, _, part = path.partition(".")
    if part:
        own.setdefault(name, {})[part] = text
    else:
        own[name] = value_of_text(mapping.own.by_name[name], text)


def _no_amount(value: object) -> bool:
    """Whether it is a currency alone, which makes no money."""
    return isinstance(value, dict) and "amount" not in value


def _money(mapping: ImportMapping, draft: Draft) -> dict[str, object]:
    """The money of the row; a currency alone makes none."""
    texts = draft.texts
    return {
        name: Money(
            currency_code=texts.get(f"{name}.currency_code", ""), amount=texts[f"{name}.amount"]
        )
        for name, field in mapping.fields.items()
        if field.form is Form.MONEY and f"{name}.amount" in texts
    }


def _resolve(mapping: ImportMapping, draft: Draft, known: Known) -> dict[str, list[str]]:
    """Ids by path of the columns that name records; without them the row is put off or refused."""
    resolved: dict[str, list[str]] = {}
    missing: list[tuple[Target, str]] = []
    for target in mapping.matched:
        ids = resolved[target.path] = []
        for value in matched_values(target, draft):
            found = known.found.get((target.path, value), ())
            ids.extend(found[:1])
            if len(found) > 1:
                draft.refuse(target.column, f"{shown(value)} names several records.")
            own = mapping.points_to_own(target)
            if not found and not (own and (target.match, value) in known.rehearsed):
                missing.append((target, value))
    own_only = all(mapping.points_to_own(target) for target, _ in missing)
    if missing and own_only and not draft.problems and not known.final:
        draft.later = True
        return resolved
    for target, value in missing:
        collection = target.reference.resource if target.reference else "records"
        text = f"There is no record with {target.match} {shown(value)} among the {collection}."
        draft.refuse(target.column, text)
    return resolved


def apart(drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
    """The drafts in order, in groups in which an external id has one content only."""
    group: list[Draft] = []
    contents: dict[str, bytes] = {}
    for draft in drafts:
        if contents.get(draft.key, draft.digest) != draft.digest:
            yield group
            group, contents = [], {}
        group.append(draft)
        if draft.key:
            contents[draft.key] = draft.digest
    if group:
        yield group
