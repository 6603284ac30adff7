"""A TCP proxy in a process of its own, where no cable is to be had and for what one cannot do:
`python -m tests.fault.campaign.proxy <folder> <name>=<port>:<port>...` obeys the files
`<folder>/proxy-<name>`.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local import ports
from deploy.local.health import wait_for
from deploy.local.settings import HOST, ROOT

POLL_S = 0.02
START_S = 20.0
BLOCK = 16 * 1024
LINE_MAX = 64
NARROW = 8_000
# What TCP makes of the loss of one packet in sixteen: it waits, then sends it again.
LOST_SHARE, AGAIN_S = 1 / 16, 0.2


class Proxies:
    """The proxy process as a campaign uses it: `routes` are ports by name."""

    def __init__(self, routes: Mapping[str, int], folder: Path) -> None:
        self.ports = dict(zip(routes, ports.pick(len(routes)), strict=True))
        self._routes = routes
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        routes = [f"{name}={self.ports[name]}:{to}" for name, to in self._routes.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._folder), *routes], cwd=ROOT
        )
        listening = wait_for(
            lambda: not any(map(ports.is_free, self.ports.values())), lambda: True, START_S
        )
        assert listening, "the proxy does not listen"

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def order(self, name: str, what: str = "") -> None:
        """As of a cable: `cut`, `cut there` (requests), `cut back` (answers), `narrow`, `lose`;
        `delay <s>`, `jitter <s>` (half to one and a half of it), `close <s>` (its end comes late).
        """
        _write(self._folder / f"proxy-{name}", what)

    def moved(self, name: str) -> int:
        """Bytes that were held back so far."""
        path = self._folder / f"held-{name}"
        return int(path.read_text() or 0) if path.exists() else 0


class Route:
    """One port and what it leads to."""

    def __init__(self, folder: Path, name: str, to: int) -> None:
        self._order = folder / f"proxy-{name}"
        self._told = folder / f"held-{name}"
        self._to = to
        self._held = 0
        self._word, self._more = "", ""

    async def watch(self) -> None:
        """Read the order again and again, and tell what was held."""
        told = 0
        while True:
            text = self._order.read_text() if self._order.exists() else ""
            self._word, _, self._more = text.partition(" ")
            if self._held > told:
                told = self._held
                _write(self._told, str(told))
            await asyncio.sleep(POLL_S)

    async def serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            far, forth = await asyncio.open_connection(HOST, self._to)
        except OSError:
            back.close()
            return
        pumps = [asyncio.ensure_future(self._pump("there", near, forth)),
                 asyncio.ensure_future(self._pump("back", far, back))]  # fmt: skip
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for one in pumps:
            one.cancel()
        for end in (forth, back):
            end.close()

    async def _pump(
        self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        """Everything in its order, each piece when its time has come; an empty one is the end."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(LINE_MAX)
        taking = asyncio.ensure_future(self._take(source, line))
        try:
            data = b"begun"
            while data:
                due, data = await line.get()
                await asyncio.sleep(due - time.monotonic())
                await self._hold(way, len(data))
                sink.write(data)
                await sink.drain()
        except OSError:
            return
        finally:
            taking.cancel()

    async def _take(
        self, source: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"begun"
        while data:
            try:
                data = await source.read(BLOCK)
            except OSError:
                data = b""
            late = self._late(data)
            self._held += max(1, len(data)) if late else 0
            await line.put((time.monotonic() + late, data))

    def _late(self, data: bytes) -> float:
        """Seconds by which a piece is late."""
        match self._word:
            case "delay":
                return float(self._more)
            case "jitter":
                return float(self._more) * random.uniform(0.5, 1.5)
            case "close" if not data:
                return float(self._more)
            case "lose" if random.random() < LOST_SHARE:
                return AGAIN_S
        return 0.0

    async def _hold(self, way: str, size: int) -> None:
        """A cut holds the bytes until it is over, as TCP does when packets are dropped."""
        if self._word == "narrow":
            self._held += size
            await asyncio.sleep(size / NARROW)
        self._held += size if self._is_cut(way) else 0
        while self._is_cut(way):  # noqa: ASYNC110  # the order comes as a file, not as an event
            await asyncio.sleep(POLL_S)

    def _is_cut(self, way: str) -> bool:
        return self._word == "cut" and self._more in {"", way}


def _write(path: Path, text: str) -> None:
    """At once for whoever reads it."""
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(path)


async def main(folder: Path, routes: list[str]) -> None:
    """Serve all routes until killed."""
    watches = []
    for text in routes:
        name, _, pair = text.partition("=")
        listen, _, to = pair.partition(":")
        route = Route(folder, name, int(to))
        await asyncio.start_server(route.serve, HOST, int(listen))
        watches.append(route.watch())
    await asyncio.gather(*watches)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
