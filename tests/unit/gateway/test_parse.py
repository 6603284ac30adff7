"""Which texts are refused as JSON."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from services.gateway.parse import parse_json

REFUSED = {
    "empty": b"",
    "blank": b"  ",
    "trailing value": b"{} {}",
    "trailing text": b"{}x",
    "trailing comma": b'{"a":1,}',
    "comment": b"{/**/}",
    "single quotes": b"{'a':1}",
    "NaN": b'{"a":NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "overflow": b"[1e999]",
    "minus overflow": b"[-1e999]",
    "5000 digits": b"[" + b"9" * 5000 + b"]",
    "beyond uint64": b"[18446744073709551616]",
    "below int64": b"[-9223372036854775809]",
    "leading zero": b"[01]",
    "plus": b"[+1]",
    "duplicate": b'{"a":1,"a":2}',
    "duplicate, same value": b'{"a":1,"a":1}',
    "duplicate by escape": b'{"a":1,"\\u0061":2}',
    "duplicate, nested": b'[{"b":{"a":{},"a":{}}}]',
    "duplicate, hidden by an escaped colon": b'{"a":1,"a":2,"b":"\\u003a"}',
    "duplicate of an object with strings": b'{"a":{"x":"::"},"a":"\\u003a\\u003A::"}',
    "deep arrays": b"[" * 33 + b"]" * 33,
    "deep objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "100,000 levels": b"[" * 100_000,
    "lone surrogate": b'["\\ud800"]',
    "reversed surrogates": b'["\\udc00\\ud800"]',
    "invalid UTF-8": b'["\xff"]',
    "overlong UTF-8": b'["\xc0\x80"]',
    "surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "control character": b'["\x01"]',
    "raw NUL": b'["\x00"]',
    "cut": b'{"a"',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_bad_text_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_json(body)
    assert caught.value.reason == "INVALID_JSON"
    assert caught.value.metadata["problem"] in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"b:c","d:e":{"f":"::"},"g":[":"]}',
        b'{"a":"\\u003a","b":"\\":"}',
        b"[18446744073709551615,-9223372036854775808]",
        b"[1e300,-1e300,1.5,-0.0]",
        b"[" * 32 + b"]" * 32,
        b'{"a":' * 32 + b"1" + b"}" * 32,
        b' {"a" : 1 } ',
        b'["\\ud83d\\ude00","\xf0\x9f\x98\x80"]',
        b"null",
        b'"a:b"',
    ],
)
def test_good_text_is_taken(body: bytes) -> None:
    assert parse_json(body) == json.loads(body)


KEYS = st.text(":ab\\")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES, escaped=st.booleans())
@example(value={":": ":"}, escaped=True)
def test_what_json_writes_comes_back(value: object, escaped: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


PAIRS = st.lists(st.tuples(st.text(":ab", max_size=2), st.text(':\\"a', max_size=3)), max_size=5)


@given(pairs=PAIRS, escape=st.booleans())
def test_duplicates_are_found_whatever_the_strings_hold(
    pairs: list[tuple[str, str]], escape: bool
) -> None:
    text = ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs)
    body = f"{{{text}}}".encode()
    if escape:
        body = body.replace(b'":"', b'" : "').replace(b"a", b"\\u0061").replace(b"::", b":\\u003A")
        try:
            json.loads(body)
        except ValueError:
            return
    doubled = len({key for key, _ in pairs}) < len(pairs)
    if escape:
        decoded = json.loads(body, object_pairs_hook=list)
        doubled = len({key for key, _ in decoded}) < len(decoded)
    if doubled:
        with pytest.raises(InvalidArgument):
            parse_json(body)
    else:
        assert parse_json(body) == json.loads(body)
