"""Reads the sums of a summary: from the rollup when nothing narrows it, else from the facts."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import CTE, ColumnElement, Numeric, Select, bindparam, func, literal_column, select

from chassis.access.model import Reach
from chassis.access.scope import (
    NO_LIMIT,
    Shape,
    reach_values,
    scope_columns,
    table_reach_condition,
    table_reach_shape,
)
from chassis.db.pool import Record, Tx
from chassis.db.sql import Statement, StatementCache, statement
from chassis.filter.condition import CompiledFilter
from services.reporting.domain.fact import LOST, WON
from services.reporting.domain.rollup import Sums
from services.reporting.methods.dimensions import key_of, value_of
from services.reporting.models.opportunity_fact import opportunity_fact as fact
from services.reporting.models.pipeline_rollup import MEASURES
from services.reporting.models.pipeline_rollup import pipeline_rollup as rollup

GROUPS_MAX = 10_000
SCOPE = scope_columns(fact)
_TYPES = {name: rollup.c[name].type for name in MEASURES}

# key -> currency -> sums
SumsByKey = Mapping[str, Mapping[str, Sums]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is summed up: within whose reach, matching which filter, ranked in which currency."""

    tenant_id: str
    dimension: str
    filter: CompiledFilter
    reach: Reach
    currency: str

    @property
    def scope(self) -> Shape:
        """How the reach narrows the facts."""
        return table_reach_shape(SCOPE, self.reach)

    @property
    def narrowed(self) -> bool:
        """Whether less than all living opportunities are asked for."""
        return self.filter.shape is not None or self.scope != NO_LIMIT


class SumsReader:
    """Runs the statements of summaries, each compiled once per shape."""

    def __init__(self) -> None:
        self._statements = StatementCache()

    async def read(self, tx: Tx, question: Question) -> SumsByKey:
        """Sums by key and currency, of the GROUPS_MAX keys with the largest won amount."""
        values: dict[str, object] = {
            "tenant_id": question.tenant_id,
            "dimension": question.dimension,
            "rank_currency": question.currency,
            **question.filter.values,
            **reach_values(question.reach),
        }
        found: dict[str, dict[str, Sums]] = {}
        for row in await tx.fetch(self.statement(question), values):
            found.setdefault(row["key"], {})[row["currency"]] = sums_of(row)
        return found

    def statement(self, question: Question) -> Statement:
        """The statement that answers the question."""
        if not question.narrowed:
            return self._statements.get("rollup", lambda: _ranked(_from_rollup()))
        shape = (question.dimension, question.filter.shape, question.scope)
        return self._statements.get(shape, lambda: _ranked(from_facts(question)))


def from_facts(question: Question) -> Select[tuple[object, ...]]:
    """Sums by key and currency over the facts in question."""
    return facts_summed(
        question.dimension,
        question.filter.expression(),
        *table_reach_condition(SCOPE, question.scope),
    )


def facts_summed(dimension: str, *conditions: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    """Sums by key and currency over a tenant's living facts that meet the conditions.

    Grouped by the bare columns first: making a key of every fact would cost more than all else.
    """
    values = _by_value(dimension, *conditions).cte("by_value")
    return select(
        key_of(dimension, values.c.value).label("key"),
        func.coalesce(values.c.currency, "").label("currency"),
        *[func.sum(values.c[name]).cast(_TYPES[name]).label(name) for name in MEASURES],
    ).group_by(literal_column("1"), literal_column("2"))


def _by_value(dimension: str, *conditions: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    won, lost = fact.c.state == WON, fact.c.state == LOST
    amount, zero = fact.c.amount, literal_column("0::numeric", Numeric())
    return (
        select(
            value_of(dimension).label("value"),
            fact.c.amount_currency.label("currency"),
            func.count().label("count"),
            func.coalesce(func.sum(amount), zero).label("amount"),
            func.count().filter(won).label("won_count"),
            func.coalesce(func.sum(amount).filter(won), zero).label("won_amount"),
            func.count().filter(lost).label("lost_count"),
            func.coalesce(func.sum(amount).filter(lost), zero).label("lost_amount"),
        )
        .where(
            fact.c.tenant_id == bindparam("tenant_id"), fact.c.delete_time.is_(None), *conditions
        )
        .group_by(literal_column("1"), literal_column("2"))
    )


def _from_rollup() -> Select[tuple[object, ...]]:
    return select(rollup.c.key, rollup.c.currency, *[rollup.c[name] for name in MEASURES]).where(
        rollup.c.tenant_id == bindparam("tenant_id"),
        rollup.c.dimension == bindparam("dimension"),
        rollup.c["count"] > literal_column("0"),
    )


def _ranked(source: Select[tuple[object, ...]]) -> Statement:
    """All currencies of the keys that rank first, so that no group is shown in part."""
    sums = source.cte("sums")
    return statement(select(sums).where(sums.c.key.in_(_first_keys(sums))))


def _first_keys(sums: CTE) -> Select[tuple[str]]:
    ours = sums.c.currency == bindparam("rank_currency")
    won = func.max(sums.c.won_amount).filter(ours)
    return (
        select(sums.c.key)
        .group_by(sums.c.key)
        .order_by(won.desc().nulls_last(), func.sum(sums.c["count"]).desc(), sums.c.key)
        .limit(literal_column(str(GROUPS_MAX)))
    )


def sums_of(row: Record) -> Sums:
    """The measures of a row."""
    return Sums(*(row[name] for name in MEASURES))
