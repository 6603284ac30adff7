"""Ten thousand made-up filters compile or are refused; `make fuzz-filter` takes more of them."""

import os
from datetime import UTC, datetime
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, true

from chassis.filter.condition import FilterSearch, Sought, compile_filter
from chassis.filter.parser import parse_filter
from chassis.filter.tree import FilterError
from chassis.filter.values import FilterContext
from chassis.resource.plan import make_plan
from tests.contract.resources import all_resources
from tests.filters import some_filter

FILTERS: Final = int(os.environ.get("FUZZED_FILTERS", "10000"))
USER: Final = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
CONTEXT: Final = FilterContext(
    datetime(2026, 3, 10, 16, 30, tzinfo=UTC), ZoneInfo("Asia/Shanghai"), USER
)
ACCEPTED_MIN = 0.1


def find(word: str, _key: str) -> Sought:
    """Whatever is searched for, as one value."""
    return Sought((word,))


def everything(
    _names: tuple[str, ...], _walked: bool
) -> ColumnElement[bool]:  # as FilterSearch has it
    """A condition that holds for each record."""
    return true()


SEARCH: Final = FilterSearch(frozenset({"name"}), find, everything)


def refused(error: FilterError, text: str) -> None:
    """The place lies in the text, and what is told can be shown."""
    assert 0 <= error.position <= len(text), text
    assert str(error).isprintable(), text


def test_any_filter_compiles_or_is_refused_in_words() -> None:
    random = Random(160)
    plans = [make_plan(one.declared) for one in all_resources()]
    accepted = 0
    for _ in range(FILTERS):
        fields = random.choice(plans).filters
        text = some_filter(random, fields)
        try:
            compiled = compile_filter(parse_filter(text), fields, CONTEXT, SEARCH)
        except FilterError as error:
            refused(error, text)
            continue
        if compiled.shape is not None:
            assert compiled.expression() is not None
            accepted += 1
    assert accepted > FILTERS * ACCEPTED_MIN  # else the generator only makes noise
