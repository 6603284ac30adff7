"""The moment up to which changes are counted is a lower bound."""

from datetime import UTC, datetime, timedelta

from services.reporting.jobs import Currency

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def note(currency: Currency, seconds: float, place: int, waiting: int = 0) -> datetime | None:
    currency._note(at(seconds), (place,), waiting)
    return currency.read()


def test_currency_follows_the_clock_while_nothing_comes() -> None:
    currency = Currency()
    assert note(currency, 0, 0) is None
    assert note(currency, 1, 0) == at(0)
    assert note(currency, 2, 0) == at(1)


def test_currency_stands_at_the_newest_change_while_events_flow() -> None:
    currency = Currency()
    note(currency, 0, 0)
    note(currency, 1, 0)
    currency._newest = at(0.5)
    assert note(currency, 2, 100, waiting=40) == at(0.5)
    assert note(currency, 3, 200) == at(0.5)
    assert note(currency, 4, 200) == at(3)


def test_currency_never_goes_back() -> None:
    currency = Currency()
    note(currency, 5, 0)
    note(currency, 6, 0)
    currency._newest = at(1)
    assert note(currency, 7, 1) == at(5)
