"""Times the JSON codec on one customer: `python -m bench.codec`."""

import timeit
from collections.abc import Callable

import orjson
from google.protobuf import json_format

from chassis.codec import decoder, encoder
from crm.customer.v1.customer_pb2 import Customer
from services.gateway.parse import parse_json

ROUNDS = 5_000


def customer() -> Customer:
    """A customer with most fields filled in."""
    record = Customer(
        id="01890a5d-ac96-774b-bcce-b302099a8057",
        kind="COMPANY",
        name="上海某某有限公司",
        phone="+86 21 5555 0100",
        email="office@example.cn",
        website="https://example.cn",
        founded_year=1999,
        employee_count=120,
        description="说明 " * 60,
        etag="3",
        owner_id="01890a5d-ac96-774b-bcce-b302099a8057",
    )
    record.annual_revenue.currency_code = "CNY"
    record.annual_revenue.amount = "1000000.50"
    record.create_time.FromMicroseconds(1_790_000_000_123_456)
    record.update_time.FromMicroseconds(1_790_000_100_123_456)
    return record


def main() -> None:
    """Print microseconds per call, the best of three runs."""
    record = customer()
    encode, decode = encoder(Customer), decoder(Customer)
    data = encode(record)
    sent = {
        key: data[key] for key in ("kind", "name", "phone", "email", "description", "founded_year")
    }
    body = orjson.dumps({**sent, "annual_revenue": data["annual_revenue"]})
    parsed = dict(sent)
    steps: dict[str, Callable[[], object]] = {
        "encode and dump": lambda: orjson.dumps(encode(record)),
        "MessageToDict and dump": lambda: orjson.dumps(json_format.MessageToDict(record)),
        "parse": lambda: parse_json(body),
        "decode": lambda: decode(parsed),
        "ParseDict": lambda: json_format.ParseDict(parsed, Customer()),
    }
    for name, step in steps.items():
        best = min(timeit.repeat(step, number=ROUNDS, repeat=3)) / ROUNDS
        print(f"{name:24} {best * 1e6:8.1f} us")


if __name__ == "__main__":
    main()
