"""Announcements: whom they are addressed to, and when they are shown."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Audience:
    """People of departments and of those below them, holders of roles; with neither, everyone."""

    department_ids: frozenset[str]
    role_ids: frozenset[str]

    @property
    def everyone(self) -> bool:
        """Whether nobody is left out."""
        return not self.department_ids and not self.role_ids

    def includes(self, departments: Collection[str], role_ids: Collection[str]) -> bool:
        """Whether somebody is addressed: his department with those above it, and his roles."""
        return (
            self.everyone
            or not self.department_ids.isdisjoint(departments)
            or not self.role_ids.isdisjoint(role_ids)
        )


@dataclass(frozen=True, slots=True)
class Showing:
    """From when until when an announcement is shown; for good without an end."""

    publish_time: datetime
    expire_time: datetime | None

    def is_shown(self, now: datetime) -> bool:
        """Whether it is shown now."""
        return self.publish_time <= now and (self.expire_time is None or now < self.expire_time)

    @property
    def is_possible(self) -> bool:
        """Whether it is shown at any time."""
        return self.expire_time is None or self.publish_time < self.expire_time
