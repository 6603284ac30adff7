"""A TCP proxy in a process of its own between a service and a server: it delays, narrows, cuts.

`python -m tests.fault.campaign.proxy <folder> <name>=<port>:<port>...` obeys the files
`<folder>/proxy-<name>`, in which one word and a number say what to do.
"""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local import ports
from deploy.local.settings import HOST, ROOT

POLL_S = 0.02
BLOCK = 16 * 1024


class Proxies:
    """The proxy process as a campaign uses it: `routes` are ports by name."""

    def __init__(self, routes: Mapping[str, int], folder: Path) -> None:
        self.ports = dict(zip(routes, ports.pick(len(routes)), strict=True))
        self._routes = routes
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        routes = [f"{name}={self.ports[name]}:{to}" for name, to in self._routes.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._folder), *routes], cwd=ROOT
        )

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def order(self, name: str, what: str = "") -> None:
        """`cut 0`, `delay <seconds>`, `narrow <bytes per second>`, or nothing."""
        path = self._folder / f"proxy-{name}"
        scratch = path.with_suffix(".new")
        scratch.write_text(what)
        scratch.replace(path)

    def moved(self, name: str) -> int:
        """Bytes that were held back or thrown away so far."""
        path = self._folder / f"held-{name}"
        return int(path.read_text() or 0) if path.exists() else 0


class Route:
    """One port and what it leads to."""

    def __init__(self, folder: Path, name: str, to: int) -> None:
        self._order = folder / f"proxy-{name}"
        self._told = folder / f"held-{name}"
        self._to = to
        self._held = 0
        self._word, self._number = "", 0.0

    async def watch(self) -> None:
        """Read the order again and again, and tell what was held."""
        while True:
            text = self._order.read_text() if self._order.exists() else ""
            word, _, number = text.partition(" ")
            self._word, self._number = word, float(number or 0)
            if self._held:
                self._told.write_text(str(self._held))
            await asyncio.sleep(POLL_S)

    async def serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            far, forth = await asyncio.open_connection(HOST, self._to)
        except OSError:
            back.close()
            return
        pumps = [asyncio.ensure_future(self._pump(near, forth)),
                 asyncio.ensure_future(self._pump(far, back))]  # fmt: skip
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for one in pumps:
            one.cancel()
        for end in (forth, back):
            end.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(BLOCK):
                await self._hold(len(data))
                sink.write(data)
                await sink.drain()
        except OSError:
            return

    async def _hold(self, size: int) -> None:
        """A cut holds the bytes until it is over, as TCP does when packets are dropped."""
        if not self._word:
            return
        self._held += size
        if self._word == "delay":
            await asyncio.sleep(self._number)
        elif self._word == "narrow":
            await asyncio.sleep(size / self._number)
        while self._word == "cut":  # noqa: ASYNC110  # the order comes as a file, not as an event
            await asyncio.sleep(POLL_S)


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
