"""Deaths at the boundaries between two phases of the work (F2): the process kills itself there.

And handlers that fail in worse ways than by an error (F14).
"""

import asyncio
import functools
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from chassis.db.pool import Tx
from chassis.events import loop
from chassis.events.applier import Applier
from chassis.events.envelope import Event
from chassis.events.ledger import Ledger
from chassis.events.outbox import Outbox
from chassis.events.publisher import Publisher

Result = TypeVar("Result")
# How often the point is passed first, once the signal to die has come.
PASSES = (1, 30)
ARM: Final = signal.SIGUSR1
HANDLE_TIMEOUT_S = 1.0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _replaced(owner: type, name: str, *, before: bool) -> None:
    """Let the process die before or after one of the calls of a method, once it is told to."""
    left = float("inf")
    original: Callable[..., Awaitable[object]] = getattr(owner, name)

    def arm(_signal: int, _frame: object) -> None:
        nonlocal left
        left = random.randint(*PASSES)

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

    signal.signal(ARM, arm)
    setattr(owner, name, dying)


def _handles_badly() -> None:
    """An event can say that the handler hangs over it or the process dies, each time it comes."""
    handle = Applier._handle

    async def bad(
        self: Applier, tx: Tx, ledger: Ledger, fresh: Sequence[Event], reached: Sequence[Event]
    ) -> None:
        told = " ".join(str(one.data.get("amount")) for one in fresh)
        if "hangs" in told:
            await asyncio.Event().wait()
        if "dies" in told:
            _die()
        await handle(self, tx, ledger, fresh, reached)

    Applier._handle = bad  # type: ignore[method-assign]  # this is how a fault is planted
    # Else a hanging handler takes two minutes until it has been tried eight times.
    vars(loop)["HANDLE_TIMEOUT_S"] = HANDLE_TIMEOUT_S


CRASHES: Final[dict[str, Callable[[], None]]] = {
    "before-commit": functools.partial(_replaced, Tx, "end", before=True),
    "after-commit": functools.partial(_replaced, Tx, "end", before=False),
    "before-publish": functools.partial(_replaced, Publisher, "publish", before=True),
    "after-publish": functools.partial(_replaced, Publisher, "publish", before=False),
    "after-mark": functools.partial(_replaced, Outbox, "mark", before=False),
    "in-apply": functools.partial(_replaced, Applier, "_handle", before=False),
    "after-apply": functools.partial(_replaced, Applier, "apply", before=False),
    "handles-badly": _handles_badly,
}
# Where each of the deaths is tried.
PLACES: Final = {
    "before-commit": "sales", "after-commit": "sales", "before-publish": "customer",
    "after-publish": "sales", "after-mark": "marketing", "in-apply": "reporting",
    "after-apply": "identity",
}  # fmt: skip
