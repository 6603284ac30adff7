"""What a message holds comes back from its row, for every resource (the codec of the database)."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.codec import fields as codec_fields
from chassis.custom_fields.model import NO_FIELDS
from chassis.resource.fields import Field, Form, enum_names
from chassis.resource.plan import make_plan
from chassis.resource.rows import column_values, message_reader
from crm.type.v1.money_pb2 import Money
from tests.contract.resources import Facts, all_resources
from tests.unit.chassis.codec.messages import MICROS, TEXT, messages, timestamp_of

UUIDS: Final = st.uuids().map(str)
AMOUNTS: Final = st.decimals(-(10**12), 10**12, places=4).map(str)
# An unset time of a column that is NOT NULL is not the same afterwards: those come from the engine.
VALUES: Final[Mapping[Form, Callable[[Field], st.SearchStrategy[object]]]] = {
    Form.TEXT: lambda _field: TEXT,
    Form.NUMBER: lambda _field: st.integers(-(2**31), 2**31 - 1),
    Form.BOOLEAN: lambda _field: st.booleans(),
    Form.UUID: lambda _field: UUIDS,
    Form.DATE: lambda _field: st.dates().map(lambda day: day.isoformat()),
    Form.TIMESTAMP: lambda _field: MICROS.map(timestamp_of),
    Form.ENUM: lambda field: st.integers(1, len(enum_names(field.descriptor)) - 1),
    Form.MONEY: lambda _field: st.builds(
        Money, currency_code=st.sampled_from(["CNY", "JPY", "KWD"]), amount=AMOUNTS
    ),
    Form.UUIDS: lambda _field: st.lists(UUIDS, max_size=3),
    Form.TEXTS: lambda _field: st.lists(TEXT, max_size=3),
    Form.MESSAGES: lambda field: st.lists(
        messages(codec_fields.message_of(field.descriptor)), max_size=2
    ),
}


@pytest.mark.parametrize("facts", all_resources(), ids=lambda one: one.plural)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_record_comes_back(facts: Facts, data: st.DataObject) -> None:
    fields = [one for one in make_plan(facts.declared).writable if one.form in VALUES]
    strategies = {one.name: VALUES[one.form](one) for one in fields}
    values = data.draw(st.fixed_dictionaries({}, optional=strategies))
    message: Message = facts.declared.message(**values)
    row = column_values(message, fields)
    back = message_reader(facts.declared.message, fields)(row, NO_FIELDS)
    assert column_values(back, fields) == row
    exact = [
        one.name for one in fields if one.name in values and one.form not in {Form.MONEY, Form.ENUM}
    ]
    assert {name: getattr(back, name) for name in exact} == {
        name: getattr(message, name) for name in exact
    }
