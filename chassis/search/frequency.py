"""How many records have a token: what PostgreSQL's statistics say about the frequent ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Text, bindparam, column, func, select, table
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER

from chassis.db.pool import Tx
from chassis.db.sql import statement

# From so many records on, looking at records in their order is cheaper than gathering all.
FREQUENT_MIN = 5_000
# A record with the rarest few has the others as well, mostly; each more is one more list to read.
RAREST = 4

_stats = table(
    "pg_stats",
    *map(column, ("schemaname", "tablename", "attname")),
    *map(column, ("most_common_elems", "most_common_elem_freqs")),
)
_class = table("pg_class", column("oid"), column("reltuples"))
_READ = statement(
    select(
        _stats.c.most_common_elems.cast(Text).cast(ARRAY(INTEGER)).label("tokens"),
        _stats.c.most_common_elem_freqs.label("shares"),
        _class.c.reltuples.label("rows"),
    )
    .join(_class, _class.c.oid == func.to_regclass(bindparam("regclass", type_=Text)))
    .where(
        _stats.c.schemaname == "base",
        _stats.c.tablename == bindparam("name"),
        _stats.c.attname == "tokens",
        _stats.c.most_common_elems.is_not(None),
    )
)


@dataclass
class Frequencies:
    """The share of records that has a token, where it is high; empty until read."""

    rows: float = 0.0
    shares: Mapping[int, float] = field(default_factory=dict)

    def rarest(self, tokens: Sequence[int]) -> list[int]:
        """The few tokens to look for."""
        return sorted(tokens, key=lambda one: self.shares.get(one, 0.0))[:RAREST]

    def frequent(self, tokens: Sequence[int]) -> bool:
        """Whether so many records have all these tokens that they are better not gathered.

        Grams of one word come together: each further one counts the root of the one before
        (exponential backoff, as SQL Server estimates correlated predicates).
        """
        found, power = self.rows, 1.0
        for share in sorted(self.shares.get(one, 0.0) for one in tokens):
            found *= share**power
            power /= 2
        return found >= FREQUENT_MIN

    async def read(self, tx: Tx, name: str) -> None:
        """Take over what is known of the search table of that name."""
        row = await tx.fetch_row(_READ, {"name": name, "regclass": f"base.{name}"})
        if row is not None:
            self.rows = row["rows"]
            self.shares = dict(zip(row["tokens"], row["shares"], strict=False))
