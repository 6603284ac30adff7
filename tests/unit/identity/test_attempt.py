"""Delays after failures: none for a few, then doubling to a quarter of an hour."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import ResourceExhausted
from services.identity.domain.attempt import (
    DELAY_MAX_S,
    FORGET_AFTER,
    FREE_FAILURES,
    Failures,
    begin,
    delay_s,
    line_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_delays_double_up_to_a_quarter_of_an_hour() -> None:
    delays = [delay_s(failures, 5) for failures in range(18)]
    assert delays == [0] * 5 + [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert delay_s(1_000_000, 5) == DELAY_MAX_S


def test_the_first_ones_cost_nothing() -> None:
    failures = Failures(0, NOW)
    for count in range(1, FREE_FAILURES + 1):
        failures = Failures(begin(failures, FREE_FAILURES, NOW), NOW)
        assert failures.count == count
    with pytest.raises(ResourceExhausted) as error:
        begin(failures, FREE_FAILURES, NOW)
    assert error.value.metadata == {"retry_after_s": "1"}


def test_a_wait_ends_and_the_next_one_is_longer() -> None:
    failures = Failures(FREE_FAILURES + 2, NOW)
    with pytest.raises(ResourceExhausted):
        begin(failures, FREE_FAILURES, NOW + timedelta(seconds=3.9))
    assert begin(failures, FREE_FAILURES, NOW + timedelta(seconds=4)) == FREE_FAILURES + 3


def test_failures_are_forgotten_after_a_day() -> None:
    later = NOW + FORGET_AFTER + timedelta(seconds=1)
    assert begin(Failures(50, NOW), FREE_FAILURES, later) == 1


def test_an_hour_of_guessing_is_worth_less_than_twenty_guesses() -> None:
    failures, moment, guesses = Failures(0, NOW), NOW, 0
    while moment < NOW + timedelta(hours=1):
        failures = Failures(begin(failures, FREE_FAILURES, moment), moment)
        guesses += 1
        moment += timedelta(seconds=delay_s(failures.count, FREE_FAILURES))
    assert guesses <= 20


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::1", "::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_whoever_has_one_address_of_ipv6_has_his_whole_line(address: str, line: str) -> None:
    assert line_of(address) == line
