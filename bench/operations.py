"""The operations that are measured over HTTP: what each connection asks for next."""

import json
from collections.abc import Callable
from urllib.parse import quote

from bench.data import INDUSTRIES, record_id
from bench.load import Answer, NextRequest, Request

# Far from each other, so that no two requests in a row read the same page.
_PRIME = 7919


def get(rows: int) -> NextRequest:
    """Each time another customer of so many."""

    def request(connection: int, count: int, _last: Answer | None) -> Request:
        number = (connection * 1009 + count * _PRIME) % rows + 1
        return "GET", f"/v1/customers/{record_id(number)}", b"", ""

    return request


def create() -> NextRequest:
    """A new customer."""
    body = json.dumps({"name": "张三贸易有限公司", "phone": "+86 138 00000000"}).encode()

    def request(_at: int, _count: int, _last: Answer | None) -> Request:
        return "POST", "/v1/customers", body, ""

    return request


def update() -> NextRequest:
    """Each connection changes a record of its own, always with the entity tag it was last given."""

    def request(connection: int, count: int, last: Answer | None) -> Request:
        path = f"/v1/customers/{record_id(connection + 1)}"
        if last is None or not last.etag:
            return "GET", path, b"", ""
        body = json.dumps({"phone": f"+86 139 {count:08d}"}).encode()
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
