"""Workbooks made to do harm, each with the reason that it is refused for."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from tests.workbooks import RELATION, packed, relations, zipped

HEAD: Final = '<row r="1"><c t="inlineStr"><is><t>id</t></is></c></row>'
ENTITY: Final = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE: Final = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
OLD: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ELSEWHERE: Final = (
    f'<Relationships><Relationship Id="a" Type="{RELATION}/worksheet" '
    'Target="http://x" TargetMode="External"/></Relationships>'
)
NOISE: Final = Random(1).randbytes(2_700_000).hex()
LARGE, DAMAGED = "WORKBOOK_TOO_LARGE", "WORKBOOK_DAMAGED"
UNSAFE, LOCKED = "WORKBOOK_UNSAFE", "WORKBOOK_LOCKED"


def encrypted() -> bytes:
    """A workbook whose parts say that they are encrypted."""
    data = bytearray(packed(HEAD))
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    return bytes(data)


def many_parts(count: int, name_length: int) -> bytes:
    """A workbook with further, empty parts."""
    more = {f"{'x' * name_length}{at}": b"" for at in range(count)}
    return packed(HEAD, more=more)


def near(rows: str, strings: str = "") -> bytes:
    """A workbook whose parts are just under the packed ratio, by noise that no row needs."""
    told, shared = (f"{xml}<x>{NOISE[: len(xml) // 62]}</x>" for xml in (rows, strings))
    return packed(told, strings=shared)


def near_parts(count: int) -> bytes:
    """Sound by themselves, and just under the packed ratio: parts of 10 MB."""
    part = NOISE[:156_000].encode() + bytes(9_844_000)
    return packed(HEAD, more={f"xl/media/image{at}": part for at in range(count)})


def same_styles(count: int) -> bytes:
    """A workbook whose styles, large but sound, are named many times."""
    targets = {f"s{at}": ("styles", f"{'./' * at}styles.xml") for at in range(count)}
    sheet = {"a": ("worksheet", "worksheets/sheet1.xml")}
    styles = f"<styleSheet><x>{NOISE[:37_000]}</x>{'<x/>' * 600_000}</styleSheet>".encode()
    return packed(HEAD, relations=relations(**sheet, **targets), more={"xl/styles.xml": styles})


BOMBS: Final[Mapping[str, tuple[Callable[[], bytes], str]]] = {
    "48 MB in 48 KB": (lambda: packed(HEAD + "0" * 48_000_000), LARGE),
    "a million empty rows": (lambda: packed("<row/>" * 1_100_000), LARGE),
    "a million empty cells": (lambda: packed("<row>" + "<c/>" * 1_000_000 + "</row>"), LARGE),
    "more cells than columns": (lambda: packed("<row>" + "<c/>" * 20_000 + "</row>"), LARGE),
    "a row beyond the last": (lambda: packed('<row r="99999999999"><c/></row>'), LARGE),
    "rows that go back": (lambda: packed('<row r="2"/><row r="1"/>'), DAMAGED),
    "a number that is none": (lambda: packed('<row r="x"/>'), DAMAGED),
    "a place that is none": (lambda: packed('<row><c r="ZZZZ9"><v>1</v></c></row>'), DAMAGED),
    "a string that is not there": (lambda: packed('<row><c t="s"><v>7</v></c></row>'), DAMAGED),
    "shared strings": (
        lambda: packed(HEAD, strings="<si><t>" + "x" * 48_000_000 + "</t></si>"),
        LARGE,
    ),
    "3000 parts": (lambda: many_parts(3000, 1), LARGE),
    "a directory of 6 MB": (lambda: many_parts(100, 60_000), LARGE),
    "one tag of 5 MB": (lambda: packed(f'<row spans="{NOISE}"/>'), LARGE),
    "one cell of 5 MB": (lambda: packed(f"<row><c><v>{NOISE}</v></c></row>"), LARGE),
    "eleven parts near 100:1": (lambda: near_parts(11), LARGE),
    "empty cells near 100:1": (lambda: near(("<row>" + "<c/>" * 16_000 + "</row>") * 300), LARGE),
    "strings near 100:1": (
        lambda: near('<row><c t="s"><v>4999999</v></c></row>', "<si/>" * 5_000_000),
        LARGE,
    ),
    "styles near 100:1": (lambda: same_styles(300), LARGE),
    "entities": (lambda: packed("", sheet=ENTITY + "<worksheet>&b;</worksheet>"), UNSAFE),
    "a file as entity": (lambda: packed("", main=OUTSIDE + "<workbook>&a;</workbook>"), UNSAFE),
    "a path that leads out": (lambda: packed(HEAD, more={"../../x": b""}), UNSAFE),
    "a path from the root": (lambda: packed(HEAD, more={"/etc/x": b""}), UNSAFE),
    "an outside target": (lambda: packed(HEAD, relations=ELSEWHERE), UNSAFE),
    "a password": (encrypted, LOCKED),
    "an old workbook": (lambda: OLD + bytes(2000), LOCKED),
    "no zip behind its first bytes": (lambda: b"PK\x03\x04 nothing \x00", DAMAGED),
    "a zip that is cut": (lambda: packed(HEAD)[:-30], DAMAGED),
    "a zip of something else": (lambda: zipped({"a.txt": b"a"}), DAMAGED),
    "broken XML": (lambda: packed("<row><c></row>"), DAMAGED),
    "no sheet": (lambda: packed(HEAD, main="<workbook/>"), "SHEET_NOT_FOUND"),
}
