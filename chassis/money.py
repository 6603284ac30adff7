"""Currencies and their exponents (ISO 4217)."""

from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from babel.core import get_global


@cache
def currencies() -> frozenset[str]:
    """The codes of all currencies."""
    return frozenset(get_global("all_currencies"))


def rounded(amount: Decimal, code: str) -> Decimal:
    """The amount at the currency's exponent, rounded half even."""
    return amount.quantize(_step(code), rounding=ROUND_HALF_EVEN) + 0  # zero has no sign


@cache
def _step(code: str) -> Decimal:
    fractions = get_global("currency_fractions")
    return Decimal(1).scaleb(-int(fractions.get(code, fractions["DEFAULT"])[0]))
