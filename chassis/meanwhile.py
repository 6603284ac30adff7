"""Something done while something else goes on, and waiting that ends when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

SAID_AGAIN_S = 0.5


@asynccontextmanager
async def meanwhile(again: Callable[[], Awaitable[None]], every_s: float) -> AsyncIterator[None]:
    """Have something done again and again until the block ends."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every_s)
            await again()

    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()
        await ended([repeating])


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for tasks and cancel them until they end: a library's wait_for may swallow a
    cancellation (Python before 3.12), so it is said again.
    """
    left = set(tasks)
    while left:
        _, left = await asyncio.wait(left, timeout=SAID_AGAIN_S)
        for task in left:
            task.cancel()


async def up_to(seconds: float, event: asyncio.Event) -> None:
    """Sleep, but no longer than until the event."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
