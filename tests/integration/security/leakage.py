"""Whether answers tell by their time what they do not say: Welch's t test, as leakage is assessed
(ISO/IEC 17825: |t| of 4.5 and more is a leak).
"""

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain
from math import sqrt
from statistics import fmean, quantiles, variance
from typing import Final

T_MAX: Final = 4.5
Way = Callable[[], Awaitable[object]]


async def timed(
    ways: Mapping[str, Way], rounds: int, before: Way | None = None
) -> dict[str, list[float]]:
    """Milliseconds of each way, taken in turn in a random order so that no drift is one way's."""
    times = {name: list[float]() for name in ways}
    for _ in range(rounds):
        if before is not None:
            await before()
        for name in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            await ways[name]()
            times[name].append(1000 * (time.perf_counter() - began))
    return times


def leaks(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The t of every way against the first. The slowest tenth of all samples is the machine's
    doing, not that of a way, and left out.
    """
    slow = quantiles(chain(*times.values()), n=10)[-1]
    first, *others = ([one for one in some if one <= slow] for some in times.values())
    names = list(times)[1:]
    return {name: round(welch(first, one), 2) for name, one in zip(names, others, strict=True)}


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """The t statistic of two samples of unequal variance."""
    spread = variance(one) / len(one) + variance(other) / len(other)
    return (fmean(one) - fmean(other)) / sqrt(spread)


def told(times: Mapping[str, Sequence[float]]) -> str:
    """The figures for the end of the run."""
    means = ", ".join(f"{name} {fmean(one):.2f} ms" for name, one in times.items())
    return f"{means}; t {leaks(times)} of {len(next(iter(times.values())))} each"
