"""Made-up filters: some that the grammar knows, some with a mistake, some that are only noise."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from chassis.filter.fields import FieldKind, FilterField

OPERATORS: Final = ("=", "!=", "<", ">", "<=", ">=", ":")
DEPTH_MAX: Final = 4
ODD: Final = (
    "", "null", "true", "*", "-", "(", ")", "AND", "OR", "NOT", "\\", '"', "'", "\0", "\ud800",
    "名称", "🙂", "\u202e", "%", "_", "$1", "'; DROP TABLE x; --", "1e308", "1e-400", "-0", "NaN",
    "Infinity", "9" * 40, "9223372036854775808", "0001-01-01", "9999-12-31", "2026-02-30", "24:00",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-14:00", "0" * 32, "x" * 300, "a*b*c*d",
    "today()", "days_ago(1)", "days_ago(99999999999)", "days_from_now(-5)", "now()", "me()",
    "my_department()", "f(1,2,3,4,5)", "custom_fields.x", "amount.amount", "a.b.c.d",
)  # fmt: skip
GOOD: Final[Mapping[FieldKind, Sequence[str]]] = {
    FieldKind.TEXT: ('"a"', "a*", '"*名*"', "zhang"),
    FieldKind.INTEGER: ("1", "-5", "2147483648"),
    FieldKind.MONEY: ("1.5", "-0.01", "1e9"),
    FieldKind.BOOLEAN: ("true", "false"),
    FieldKind.DATE: ("2026-01-31", "today()", "days_ago(30)"),
    FieldKind.TIMESTAMP: ("2026-01-31T00:00:00Z", "now()", "days_ago(7)"),
    FieldKind.UUID: ("0190c0f0-0000-7000-8000-000000000000", "me()", "my_department()"),
    FieldKind.TEXT_LIST: ('"a"', "重要"),
}


def some_filter(random: Random, fields: Mapping[str, FilterField]) -> str:
    """One filter of up to 4,200 characters."""
    if random.random() < 0.1:
        return "".join(random.choices([*ODD, " ", *OPERATORS], k=random.randint(1, 40)))
    text = _expression(random, list(fields.values()), 0)
    for _ in range(random.choice((0, 0, 0, 1, 3))):
        at = random.randint(0, len(text))
        text = text[:at] + random.choice(ODD) + text[at + random.randint(0, 3) :]
    return text[:4200]


def _expression(random: Random, fields: Sequence[FilterField], depth: int) -> str:
    if depth < DEPTH_MAX and random.random() < 0.5:
        parts = [_expression(random, fields, depth + 1) for _ in range(random.randint(1, 3))]
        joined = random.choice((" AND ", " OR ", " ")).join(parts)
        return random.choice(("({})", "NOT ({})", "-({})", "{}")).format(joined)
    field = random.choice(fields)
    if random.random() < 0.1:
        return random.choice(ODD)
    good = random.random() < 0.7
    value = random.choice(GOOD.get(field.kind, ("x", "*")) if good else ODD)
    return f"{field.name}{random.choice(('', ' '))}{random.choice(OPERATORS)} {value}"
