"""Addresses behind which processes change, as a Service of Kubernetes has them."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from deploy.local.settings import HOST

PIECE = 64 * 1024
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fronts:
    """A port for each name; a new connection goes to the next of the ports `behind` it."""

    def __init__(self, listen: Mapping[str, int]) -> None:
        self.behind: dict[str, list[int]] = {name: [] for name in listen}
        self._listen = listen
        self._turns = count()
        self._joined: set[asyncio.Task[None]] = set()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Listen until the end of the block."""
        loop, began = asyncio.new_event_loop(), threading.Event()
        ended = asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._run(began, ended)))
        thread.start()
        try:
            assert began.wait(10)
            yield
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(10)
            loop.close()

    async def _run(self, began: threading.Event, ended: asyncio.Event) -> None:
        servers = [
            await asyncio.start_server(lambda *pair, of=name: self._accept(of, pair), HOST, port)
            for name, port in self._listen.items()
        ]
        began.set()
        await ended.wait()
        for server in servers:
            server.close()
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)

    def _accept(self, name: str, client: Pair) -> None:
        task = asyncio.ensure_future(self._join(name, client))
        self._joined.add(task)
        task.add_done_callback(self._joined.discard)

    async def _join(self, name: str, client: Pair) -> None:
        behind = self.behind[name]
        try:
            port = behind[next(self._turns) % len(behind)]
            process = await asyncio.open_connection(HOST, port)
        except (OSError, ZeroDivisionError):
            client[1].close()
            return
        await asyncio.gather(_pass_on(client[0], process[1]), _pass_on(process[0], client[1]))


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Everything from one side to the other, until it ends."""
    try:
        while piece := await source.read(PIECE):
            sink.write(piece)
            await sink.drain()
    except OSError:
        return
    finally:
        sink.close()
