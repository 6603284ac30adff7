"""Search in one resource: the row that is kept for each record, and the condition of a filter."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from sqlalchemy import ColumnElement, Select, Table, any_, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, TEXT

from chassis.custom_fields.model import CUSTOM, OwnFields
from chassis.filter.condition import FilterSearch, Sought
from chassis.resource.resource import Row
from chassis.search.frequency import Frequencies
from chassis.search.table import SUFFIX
from chassis.search.text import searched_text, sought_patterns, sought_words
from chassis.search.tokens import grams, sought_grams, token_ids


@dataclass(frozen=True, eq=False)
class Search:
    """A resource's table, the table beside it, and the fields whose texts are searched."""

    of: Table
    table: Table
    fields: tuple[str, ...]
    frequencies: Frequencies = field(default_factory=Frequencies)

    def texts(self, own: OwnFields, row: Mapping[str, object]) -> dict[str, str]:
        """The texts of a record that are searched, by field, as they are; of the tenant's own
        fields by id.
        """
        texts = {name: str(row[name]) for name in self.fields if row[name]}
        return {**texts, **own.searched_texts(row.get(CUSTOM))}

    def row(self, tenant_id: str, record_id: object, texts: Mapping[str, str]) -> Row:
        """The row of the table beside, for these texts."""
        kept = {key: searched_text(text) for key, text in texts.items()}
        found = set().union(*[grams(text) for text in kept.values()])
        return {
            "tenant_id": tenant_id,
            "id": record_id,
            "tokens": token_ids(tenant_id, found),
            "texts": orjson.dumps(kept).decode(),
        }

    def filter(self, tenant_id: str, keys: tuple[str, ...]) -> FilterSearch:
        """How filters search the texts with these keys, and no others."""

        def find(text: str, key: str) -> Sought | None:
            words = sought_words(text)
            tokens = token_ids(tenant_id, sought_grams(words))
            if not tokens:
                return None
            values = (
                self.frequencies.rarest(tokens),
                sought_patterns(words),
                [key] if key else [*keys],
            )
            return Sought(values, self.frequencies.frequent(tokens))

        return FilterSearch(frozenset(keys), find, self._condition)

    def _condition(self, names: tuple[str, ...], walked: bool) -> ColumnElement[bool]:
        """Records among those that have the tokens; or `walked`, whether this record matches."""
        tokens, patterns, keys = names
        key = func.unnest(bindparam(keys, type_=ARRAY(TEXT))).column_valued("key")
        text = self.table.c.texts.op("->>", return_type=TEXT())(key)
        matches = exists().where(text.like(any_(bindparam(patterns, type_=ARRAY(TEXT)))))
        if walked:
            # A subquery for one value, so that the planner goes from each record to its row.
            same = (self.table.c.tenant_id == self.of.c.tenant_id, self.table.c.id == self.of.c.id)
            return select(matches).where(*same).scalar_subquery()
        sought = self.table.c.tokens.contains(bindparam(tokens, type_=ARRAY(INTEGER)))
        of_tenant = self.table.c.tenant_id == bindparam("tenant_id")
        ids: Select[tuple[object]] = select(self.table.c.id).where(of_tenant, sought, matches)
        return self.of.c.id == any_(func.array(ids.scalar_subquery()))


def make_search(of: Table, fields: tuple[str, ...]) -> Search:
    """Search in these fields; ValueError without a table beside."""
    beside = of.metadata.tables.get(of.name + SUFFIX)
    if beside is None:
        raise ValueError(f"there is no table {of.name}{SUFFIX}: declare search_table({of.name})")
    return Search(of, beside, fields)
