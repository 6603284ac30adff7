"""How PostgreSQL is to plan what a transaction still runs; each is one trip."""

from sqlalchemy import literal_column, select

from chassis.db.sql import Statement, statement

WAYS = ("indexscan", "indexonlyscan", "bitmapscan", "hashjoin", "mergejoin", "sort")


def _settings(plans: str, *without: str) -> Statement:
    """What holds until the next of these or the end of the transaction."""
    ways = {f"enable_{one}": "off" if one in without else "on" for one in WAYS}
    # A table that is joined to itself, so that its index is walked and only few of its rows are
    # read, would be joined no more. To scan a table is to read the rows of all tenants.
    never = {"enable_self_join_elimination": "off", "enable_seqscan": "off"}
    names = {"plan_cache_mode": f"force_{plans}_plan", **ways, **never}
    each = (f"set_config('{name}', '{value}', true)" for name, value in names.items())
    return statement(select(*map(literal_column, each)))


# A plan for any values would take every reach for half of the table.
AS_IT_IS = _settings("custom")
# PostgreSQL takes a walk through an order for ten times cheaper than it is: its cost is that of the
# whole walk, in which every page is read once, by the share of it that is expected.
GATHERED = _settings("custom", "indexscan", "indexonlyscan")
# Where there is but one good plan it is made once, for any values.
IN_INDEXES = _settings("generic", "bitmapscan", "hashjoin", "mergejoin")
IN_ORDER = _settings("generic", "bitmapscan", "hashjoin", "mergejoin", "sort")
