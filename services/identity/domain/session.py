"""Sessions: their lifetimes, and what a refresh token means when it comes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.errors import Unauthenticated

ACCESS_LIFETIME = timedelta(hours=1)
SESSION_LIFETIME = timedelta(days=30)
# Open ones of a user.
SESSIONS_MAX = 100
# Reasons for which a session may do nothing but put that right.
PASSWORD_CHANGE_REQUIRED = "PASSWORD_CHANGE_REQUIRED"  # noqa: S105  # a reason, no password
SECOND_FACTOR_ENROLMENT_REQUIRED = "SECOND_FACTOR_ENROLMENT_REQUIRED"


class CredentialsInvalid(Unauthenticated):
    """Name, password or tenant is wrong; which one is not told."""

    def __init__(self) -> None:
        super().__init__("CREDENTIALS_INVALID", "Name or password is wrong.")


class PasswordExpired(Unauthenticated):
    """The password is right, but was good once and for some days only."""

    def __init__(self) -> None:
        super().__init__("PASSWORD_EXPIRED", "The one-time password has expired; ask for another.")


class SecondFactorRequired(Unauthenticated):
    """The password is right; a code is needed, too."""

    def __init__(self) -> None:
        super().__init__("SECOND_FACTOR_REQUIRED", "Send the code of your authenticator, too.")


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


def restriction(
    *, password_change_required: bool, second_factor_required: bool, second_factor_enabled: bool
) -> str:
    """Reason for which a session may do nothing but put that right; "" for most."""
    if password_change_required:
        return PASSWORD_CHANGE_REQUIRED
    if second_factor_required and not second_factor_enabled:
        return SECOND_FACTOR_ENROLMENT_REQUIRED
    return ""


def lifetimes(now: datetime) -> Lifetimes:
    """Lifetimes of a session that begins or is refreshed now."""
    return Lifetimes(now + ACCESS_LIFETIME, now + SESSION_LIFETIME)


def is_open(state: SessionState, now: datetime) -> bool:
    """Whether the session may be used."""
    return state.revoke_time is None and now < state.expire_time


def is_reuse(state: SessionState, presented_hash: str) -> bool:
    """Whether the refresh token was used before (OAuth 2.1, 4.3.1): the session is then revoked."""
    return presented_hash != state.refresh_hash
