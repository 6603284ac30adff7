"""Deaths at the boundaries between two phases of the work (F2): the process kills itself there."""

import functools
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from chassis.db.pool import Tx
from chassis.events.applier import Applier
from chassis.events.outbox import Outbox
from chassis.events.publisher import Publisher

Result = TypeVar("Result")
# How often the point is passed before: services pass some of them already while they start.
PASSES = (10, 60)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _replaced(owner: type, name: str, *, before: bool) -> None:
    """Let the process die before or after one of the calls of a method."""
    left = random.randint(*PASSES)
    original: Callable[..., Awaitable[object]] = getattr(owner, name)

    @functools.wraps(original)
    async def dying(*given: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left <= 0 and before:
            _die()
        answer = await original(*given, **named)
        if left <= 0:
            _die()
        return answer

    setattr(owner, name, dying)


CRASHES: Final[dict[str, Callable[[], None]]] = {
    "before-commit": functools.partial(_replaced, Tx, "end", before=True),
    "after-commit": functools.partial(_replaced, Tx, "end", before=False),
    "before-publish": functools.partial(_replaced, Publisher, "publish", before=True),
    "after-publish": functools.partial(_replaced, Publisher, "publish", before=False),
    "after-mark": functools.partial(_replaced, Outbox, "mark", before=False),
    "in-apply": functools.partial(_replaced, Applier, "_handle", before=False),
    "after-apply": functools.partial(_replaced, Applier, "apply", before=False),
}
# Where each of them is tried.
PLACES: Final = {
    "before-commit": "sales", "after-commit": "sales", "before-publish": "customer",
    "after-publish": "sales", "after-mark": "marketing", "in-apply": "reporting",
    "after-apply": "identity",
}  # fmt: skip
