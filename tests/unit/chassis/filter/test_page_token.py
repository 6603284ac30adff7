"""Page tokens: exact round trips, and one error for whatever is foreign, cut or changed."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.filter.order_by import KeyValue
from chassis.filter.page_token import (
    TOKEN_LENGTH_MAX,
    PageArguments,
    PageToken,
    PageTokenError,
    _signature,
    decode_page_token,
    encode_page_token,
)

KEY = b"0123456789abcdef0123456789abcdef"
ARGUMENTS = PageArguments("tenant", "leads", "user:1", 'name = "a"', "name:text", "id,name")
NOW = datetime(2026, 3, 10, 16, 30, 0, 123_456, tzinfo=UTC)
TOKEN = PageToken(("华为", None, NOW), NOW)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
keys: st.SearchStrategy[KeyValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.integers(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(timezones=zones),
    st.uuids(),
)


@given(st.lists(keys, max_size=6).map(tuple), st.datetimes(timezones=zones))
def test_page_token_round_trips(values: tuple[KeyValue, ...], now: datetime) -> None:
    token = PageToken(values, now)
    found = decode_page_token(encode_page_token(token, ARGUMENTS, KEY), ARGUMENTS, KEY)
    assert found == token
    assert [(type(key), str(key)) for key in found.keys] == [(type(k), str(k)) for k in values]


@given(st.data())
def test_changed_page_token_is_refused(data: st.DataObject) -> None:
    text = encode_page_token(TOKEN, ARGUMENTS, KEY)
    index = data.draw(st.integers(0, len(text)))
    changed = text[:index] + data.draw(st.text(max_size=3)) + text[data.draw(st.integers(index)) :]
    if changed != text:
        with pytest.raises(PageTokenError):
            decode_page_token(changed, ARGUMENTS, KEY)


def test_every_single_change_is_refused() -> None:
    text = encode_page_token(TOKEN, ARGUMENTS, KEY)
    changes = [
        text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1 :] for i in range(len(text))
    ]
    cuts = [text[:i] for i in range(len(text))]
    for changed in [*changes, *cuts, text + "=", text + "\n", " " + text]:
        with pytest.raises(PageTokenError):
            decode_page_token(changed, ARGUMENTS, KEY)


@pytest.mark.parametrize(
    "arguments",
    [
        replace(ARGUMENTS, tenant_id="other"),
        replace(ARGUMENTS, resource="customers"),
        replace(ARGUMENTS, principal="user:2"),
        replace(ARGUMENTS, filter=""),
        replace(ARGUMENTS, order_by="name:text desc"),
        replace(ARGUMENTS, fields=""),
        replace(ARGUMENTS, show_deleted=True),
    ],
)
def test_page_token_of_other_arguments_is_refused(arguments: PageArguments) -> None:
    with pytest.raises(PageTokenError):
        decode_page_token(encode_page_token(TOKEN, ARGUMENTS, KEY), arguments, KEY)


def test_page_token_of_another_key_is_refused() -> None:
    with pytest.raises(PageTokenError) as caught:
        decode_page_token(encode_page_token(TOKEN, ARGUMENTS, KEY), ARGUMENTS, b"x" * 32)
    assert caught.value.reason == "PAGE_TOKEN_INVALID"
    assert caught.value.fields[0][0] == "page_token"


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(PageTokenError):
        decode_page_token(text, ARGUMENTS, KEY)


def test_long_page_token_is_refused() -> None:
    with pytest.raises(PageTokenError):
        decode_page_token("A" * (TOKEN_LENGTH_MAX + 1), ARGUMENTS, KEY)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "{}",
        "[]",
        "[1, []]",
        json.dumps([NOW.isoformat(), [["x", ""]]]),
        json.dumps([NOW.isoformat(), [["n", "many"]]]),
        json.dumps([NOW.isoformat(), [["i", {}]]]),
    ],
)
def test_well_signed_nonsense_is_refused(content: str) -> None:
    """A token of an earlier version of this file, say."""
    payload = content.encode()[:10_000]
    text = urlsafe_b64encode(_signature(payload, ARGUMENTS, KEY) + payload).decode().rstrip("=")
    with pytest.raises(PageTokenError):
        decode_page_token(text, ARGUMENTS, KEY)
