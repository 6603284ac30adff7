"""Sessions: their lifetimes, and what a refresh token means when it comes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.errors import Unauthenticated

ACCESS_LIFETIME = timedelta(hours=1)
SESSION_LIFETIME = timedelta(days=30)


class CredentialsInvalid(Unauthenticated):
    """Name, password or tenant is wrong; which one is not told."""

    def __init__(self) -> None:
        super().__init__("CREDENTIALS_INVALID", "Name or password is wrong.")


class SessionInvalid(Unauthenticated):
    """The token belongs to no session that is open."""

    def __init__(self) -> None:
        super().__init__("SESSION_INVALID", "You are not signed in; sign in again.")


@dataclass(frozen=True, slots=True)
class SessionState:
    """What decides about a session."""

    expire_time: datetime
    revoke_time: datetime | None
    refresh_hash: str


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """When the next access token and the session end."""

    access_expire_time: datetime
    expire_time: datetime


def lifetimes(now: datetime) -> Lifetimes:
    """Lifetimes of a session that begins or is refreshed now."""
    return Lifetimes(now + ACCESS_LIFETIME, now + SESSION_LIFETIME)


def is_open(state: SessionState, now: datetime) -> bool:
    """Whether the session may be used."""
    return state.revoke_time is None and now < state.expire_time


def is_reuse(state: SessionState, presented_hash: str) -> bool:
    """Whether the refresh token was used before (OAuth 2.1, 4.3.1): the session is then revoked."""
    return presented_hash != state.refresh_hash
