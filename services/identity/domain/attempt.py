"""How long somebody waits who has failed to prove who he is: 1, 2, 4 ... seconds, then 15 minutes.

Nobody is locked out for good, and whoever guesses gets about a hundred guesses a day at one name.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from chassis.errors import ResourceExhausted

# The tenant of what belongs to none: names that nobody may have, addresses of strangers.
NO_TENANT = "00000000-0000-0000-0000-000000000000"
# People mistype; only from the fifth failure on they wait. That leaves 18 guesses in an hour.
FREE_FAILURES = 5
DELAY_MAX_S = 900
FORGET_AFTER = timedelta(days=1)


class AttemptsExhausted(ResourceExhausted):
    """Too many failures: what comes now is refused unseen, also if it were right."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(
            "ATTEMPTS_EXHAUSTED",
            f"Too many attempts have failed. Try again in {wait_s} seconds.",
            metadata={"retry_after_s": str(wait_s)},
        )


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures at one name or from one address, and when the last one was."""

    count: int
    last_time: datetime


def delay_s(failures: int, free: int) -> int:
    """Seconds to wait after so many failures, of which `free` cost nothing."""
    over = failures - free
    return 0 if over < 0 else min(DELAY_MAX_S, 2 ** min(over, 20))


def line_of(address: str) -> str:
    """What attempts from an address are counted at: of IPv6 its first 64 bits, for whoever has one
    such address has them all.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def begin(known: Failures, free: int, now: datetime) -> int:
    """The count with this attempt, which is a failure until it has succeeded; AttemptsExhausted
    while earlier ones are waited for.
    """
    if now - known.last_time > FORGET_AFTER:
        return 1
    wait = known.last_time + timedelta(seconds=delay_s(known.count, free)) - now
    if known.count and wait > timedelta(0):
        raise AttemptsExhausted(max(1, round(wait.total_seconds())))
    return known.count + 1
