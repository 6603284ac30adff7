"""Clients of several gateways, sent as a load balancer does, and a book of what they were told."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias, TypeVar

import httpx

from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY
from tests.live import Tenant, dashed

OPEN_STAGES = "outcome = OPEN"
Tenants: TypeAlias = dict[str, tuple[Tenant, list[str]]]
Found = TypeVar("Found")
CLIENTS = 6
READY_EVERY_S = 0.1
PATIENCE_S = 30.0
PAUSE_S = 0.05
# Requests that may be sent again: the answer says so, or it never came.
AGAIN = frozenset({409, 429, 500, 502, 503, 504})


async def wait_for(look: Callable[[], Found], timeout_s: float = 30.0) -> Found:
    """The first true value of a look that blocks; AssertionError after the time."""
    deadline = time.monotonic() + timeout_s
    while not (found := await asyncio.to_thread(look)):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {found!r}"
        await asyncio.sleep(0.05)
    return found


class BrokenError(Exception):
    """A request that was sent and got no answer, or one that is no answer."""


@dataclass
class Balancer:
    """Knows which gateways say that they are ready, as the endpoints of a Kubernetes Service do."""

    platform: Platform
    ready: list[str] = field(default_factory=list)
    # Connections that were refused, by gateway: what balances sends them on, but none should be.
    refused: Counter[str] = field(default_factory=Counter)
    _turn: "count[int]" = field(default_factory=count)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Balancer"]:
        """Look again and again while the block runs."""
        task = asyncio.create_task(self._watch())
        try:
            while not self.ready:  # noqa: ASYNC110  # the task has no event for it
                await asyncio.sleep(READY_EVERY_S)
            yield self
        finally:
            task.cancel()

    def next(self) -> str:
        """The gateway whose turn it is."""
        ready = self.ready
        if not ready:
            raise httpx.ConnectError("no gateway is ready")
        return ready[next(self._turn) % len(ready)]

    async def _watch(self) -> None:
        urls = [self.platform.url(name) for name in self.platform.instances(GATEWAY)]
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as http:
            while True:
                answers = await asyncio.gather(*(_is_ready(http, url) for url in urls))
                self.ready = [url for url, ready in zip(urls, answers, strict=True) if ready]
                await asyncio.sleep(READY_EVERY_S)


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


class Caller:
    """One client of a tenant: it keeps a connection to each gateway."""

    def __init__(self, balancer: Balancer, tenant: Tenant) -> None:
        self._balancer = balancer
        limits = httpx.Limits(max_keepalive_connections=3)
        headers = {"authorization": tenant.http.headers["authorization"]}
        self.http = httpx.AsyncClient(headers=headers, timeout=15, limits=limits, trust_env=False)

    async def send(self, method: str, path: str, body: object, **headers: str) -> httpx.Response:
        """One request; who cannot be connected to has not had it, so the next gateway gets it.

        BrokenError for what is no answer of the product.
        """
        for _ in range(5):
            gateway = self._balancer.next()
            url = f"{gateway}/v1/{path}"
            try:
                answer = await self.http.request(method, url, json=body, headers=dashed(headers))
            except httpx.ConnectError:
                self._balancer.refused[gateway] += 1
                await asyncio.sleep(READY_EVERY_S)
                continue
            except httpx.HTTPError as error:
                raise BrokenError(f"{method} {path}: {type(error).__name__} {error}") from error
            if answer.status_code in AGAIN:
                raise BrokenError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return answer
        raise BrokenError(f"{method} {path}: no gateway can be connected to")


@dataclass
class Book:
    """What a tenant's clients were told: records by name, and how each came to be as it is."""

    ids: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    industries: dict[str, str] = field(default_factory=dict)
    deals: dict[str, str] = field(default_factory=dict)


@dataclass
class Load:
    """Creates, updates and lists until stopped.

    A refusal or a broken answer is noted in `failed`; the request is sent again with its key until
    it is answered. `gaps` are the seconds that a request took with all its tries, if long.
    """

    balancer: Balancer
    tenants: Tenants
    failed: Counter[str] = field(default_factory=Counter)
    books: dict[str, Book] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    longest_s: float = 0.0
    _stopping: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Begin with three clients of each tenant."""
        for slug, (tenant, stages) in self.tenants.items():
            self.books[slug] = Book()
            for number in range(CLIENTS // len(self.tenants)):
                work = self._client(tenant, stages, self.books[slug], number)
                self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Finish what is under way."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.result()
        self._tasks.clear()

    async def _client(self, tenant: Tenant, stages: Sequence[str], book: Book, number: int) -> None:
        caller = Caller(self.balancer, tenant)
        numbers = count(1)
        async with caller.http:
            while not self._stopping:
                name = f"{tenant.slug} {number}-{next(numbers)}"
                await self._round(caller, book, name, stages)
                await asyncio.sleep(PAUSE_S)

    async def _round(self, caller: Caller, book: Book, name: str, stages: Sequence[str]) -> None:
        """A customer, twice changed, found in a list, with an opportunity that is won."""
        made = await self._send(caller, "POST", "customers", {"name": name}, idempotency_key=name)
        book.ids[name], book.versions[name], path = str(made["id"]), 1, f"customers/{made['id']}"
        etag = str(made["etag"])
        for version in (2, 3):
            value = f"{name} v{version}"
            changed = await self._send(
                caller, "PATCH", path, {"industry": value},
                if_match=f'"{etag.strip(chr(34))}"', idempotency_key=value,
            )  # fmt: skip
            etag = str(changed["etag"])
            book.versions[name], book.industries[name] = version, value
        listed = await self._send(caller, "GET", f'customers?filter=name="{name}"', None)
        found = [one["id"] for one in _records(listed, "customers")]
        if found != [made["id"]]:
            self.problems.append(f"{name} was listed as {found}")
        deal = {
            "name": name, "customer_id": made["id"],
            "stage_id": stages[len(book.ids) % len(stages)],
            "amount": {"currency_code": "USD", "amount": "10.50"},
        }  # fmt: skip
        key = f"deal {name}"
        opened = await self._send(caller, "POST", "opportunities", deal, idempotency_key=key)
        book.deals[name] = str(opened["id"])
        win = f"opportunities/{opened['id']}:win"
        await self._send(caller, "POST", win, {}, idempotency_key=f"win {name}")

    async def _send(
        self, caller: Caller, method: str, path: str, body: object, **headers: str
    ) -> Mapping[str, object]:
        """The answer, however often the same request has to be sent."""
        began = time.monotonic()
        while True:
            self.requests += 1
            try:
                answer = await caller.send(method, path, body, **headers)
            except (BrokenError, httpx.ConnectError) as error:
                self.failed[str(error)[:160]] += 1
                if time.monotonic() > began + PATIENCE_S:
                    raise
                await asyncio.sleep(0.1)
                continue
            assert answer.status_code == httpx.codes.OK, f"{method} {path}: {answer.text}"
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            data: Mapping[str, object] = answer.json()
            return data


def _records(page: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    found = page.get(name, [])
    assert isinstance(found, list)
    return found
