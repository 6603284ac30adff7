"""Requests per second of one tenant on this replica: a token bucket, told in RateLimit headers."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from chassis.errors import ResourceExhausted

BUCKETS_MAX = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Allows `rate_per_s` on average and twice that at once.

    The headers are those of draft-ietf-httpapi-ratelimit-headers.
    """

    def __init__(self, rate_per_s: int) -> None:
        self._rate = rate_per_s
        self._burst = rate_per_s * 2
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self.policy = f'"default";q={self._burst};w={math.ceil(self._burst / rate_per_s)}'

    def take(self, key: str, now: float) -> str:
        """Take one request at `now` (seconds); the RateLimit value, or ResourceExhausted."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            gained = (now - bucket.filled_at) * self._rate
            bucket.tokens = min(self._burst, bucket.tokens + gained)
            bucket.filled_at = now
        if bucket.tokens < 1.0:
            raise ResourceExhausted("RATE_LIMITED", "Too many requests; wait a moment.")
        bucket.tokens -= 1.0
        return f'"default";r={int(bucket.tokens)};t=1'
