"""How many refused sign-ins are recorded: all of a person's slips, not all of a flood."""

from dataclasses import dataclass, field
from typing import Final

AT_ONCE_MAX: Final = 60
PER_MINUTE: Final = 6
TENANTS_MAX: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    at_s: float
    room: float = AT_ONCE_MAX
    left_out: int = 0


@dataclass
class RefusalBudget:
    """A token bucket per tenant: 60 at once, then 6 a minute, which is 8,640 a day."""

    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def take(self, tenant_id: str, now_s: float) -> int | None:
        """None when this one is not to be recorded; else how many before it were left out."""
        if tenant_id not in self._buckets and len(self._buckets) >= TENANTS_MAX:
            self._buckets.clear()
        bucket = self._buckets.setdefault(tenant_id, _Bucket(now_s))
        gained = (now_s - bucket.at_s) * PER_MINUTE / 60
        bucket.at_s, bucket.room = now_s, min(AT_ONCE_MAX, bucket.room + gained)
        if bucket.room < 1:
            bucket.left_out += 1
            return None
        bucket.room -= 1
        left_out, bucket.left_out = bucket.left_out, 0
        return left_out
