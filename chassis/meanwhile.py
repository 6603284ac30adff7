"""Something done again and again while something else goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


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
        await asyncio.wait([repeating])
