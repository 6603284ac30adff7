"""The operations that are measured over HTTP: what each connection asks for next."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bench.data import INDUSTRIES, record_id
from bench.load import Answer, NextRequest, Request

# Far from each other, so that no two requests in a row read the same page.
_PRIME = 7919


@dataclass(frozen=True, slots=True)
class Records:
    """A collection whose single records are measured: a new one, and the text that changes."""

    collection: str
    new: Mapping[str, object]
    changed: str

    def path(self, number: int) -> str:
        """The path of the record with this number."""
        return f"/v1/{self.collection}/{record_id(number)}"


CUSTOMERS = Records("customers", {"name": "张三贸易有限公司", "phone": "+86 138 00000000"}, "phone")
OPPORTUNITIES = Records(
    "opportunities",
    {
        "name": "张三贸易有限公司 扩容",
        "customer_id": record_id(1),
        "amount": {"currency_code": "CNY", "amount": "1200.00"},
    },
    "description",
)


def get(of: Records, rows: int) -> NextRequest:
    """Each time another record of so many."""

    def request(connection: int, count: int, _last: Answer | None) -> Request:
        return "GET", of.path((connection * 1009 + count * _PRIME) % rows + 1), b"", ""

    return request


def create(of: Records) -> NextRequest:
    """A new record."""
    path, body = f"/v1/{of.collection}", json.dumps(of.new).encode()

    def request(_at: int, _count: int, _last: Answer | None) -> Request:
        return "POST", path, body, ""

    return request


def update(of: Records) -> NextRequest:
    """Each connection changes a record of its own, always with the entity tag it was last given."""

    def request(connection: int, count: int, last: Answer | None) -> Request:
        path = of.path(connection + 1)
        if last is None or not last.etag:
            return "GET", path, b"", ""
        body = json.dumps({of.changed: f"+86 139 {count:08d}"}).encode()
        return "PATCH", path, body, f"If-Match: {last.etag}\r\n"

    return request


def page() -> NextRequest:
    """Fifty customers of one industry by name."""
    matching = quote(f"industry = {INDUSTRIES[0]}")
    path = f"/v1/customers?filter={matching}&order_by=name&page_size=50"

    def request(_at: int, _count: int, _last: Answer | None) -> Request:
        return "GET", path, b"", ""

    return request


def search(sought: Callable[[int], str], rows: int) -> NextRequest:
    """Pages of 20 in the order of names, each for another word."""

    def request(connection: int, count: int, _last: Answer | None) -> Request:
        word = quote(sought((connection * 1009 + count * _PRIME) % rows))
        return "GET", f"/v1/customers?filter={word}&order_by=name&page_size=20", b"", ""

    return request
