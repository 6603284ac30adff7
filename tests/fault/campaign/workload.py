"""The clients of a campaign: `python -m tests.fault.campaign.workload <plan> <number>` is one
process of several clients, which work until their share is done and the faults are over.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from tests.fault.campaign.checker import IMPORT_ROWS
from tests.fault.campaign.client import Ask, Client, Json, Place, records_of, shown, version_of
from tests.fault.campaign.history import History

CURRENCY = "CNY"
IMPORT_SPEC = {
    "resource": "customers",
    "external_source": "campaign",
    "columns": [{"column": "name", "field": "name"}, {"column": "id", "field": "external_id"}],
}
# What clients do, in per mille.
MIX = {
    "create": 300, "cas": 200, "append": 100, "transfer": 100, "delete": 100,
    "own": 60, "list": 30, "search": 30, "bank": 30, "report": 46, "import": 2, "export": 2,
}  # fmt: skip
POLL_S = 0.3
OPERATION_S = 90.0


class Plan(msgspec.Struct, frozen=True):
    """What the processes of a workload are told; `folder` gets histories, and `calm` at the end."""

    url: str
    folder: str
    places: list[Place]
    processes: int
    clients: int
    operations: int
    seed: int


class Worker:
    """Does one operation after the other with one client, on the records of one tenant."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._random = client.random
        self._random.seed(f"{seed}-{client.process}")
        self._place = client.place
        # Records as last seen: text and version. What is stale is refused, and then read again.
        self._seen: dict[str, tuple[str, int]] = {}
        self._own: list[tuple[str, str, bool]] = []
        self._acts: Mapping[str, Callable[[], Awaitable[object]]] = {
            "create": self._create, "cas": self._cas, "append": self._append,
            "transfer": self._transfer, "delete": self._delete, "own": self._read_own,
            "list": self._list, "search": self._search, "bank": self._bank,
            "report": self._report, "import": self._import, "export": self._export,
        }  # fmt: skip

    async def step(self) -> None:
        """One operation."""
        (name,) = self._random.choices(list(MIX), list(MIX.values()))
        await self._acts[name]()

    async def _create(self) -> None:
        kinds = [("customers", "customer"), ("opportunities", "sales"), ("campaigns", "marketing")]
        ((collection, service),) = self._random.choices(kinds, [10, 15, 5])
        value = self._client.value()
        body: Json = {"name": value}
        if collection == "opportunities":
            body["amount"] = money(self._random.randint(1, 10_000))
            customers = [one for kind, one, gone in self._own if kind == "customers" and not gone]
            if customers and self._random.random() < 0.3:
                body["customer_id"] = self._random.choice(customers)
        made = await self._client.ask(
            Ask("create", service, "POST", f"/v1/{collection}", body, value=value)
        )
        if made is not None:
            self._own.append((collection, str(made["id"]), False))

    async def _cas(self) -> None:
        key = self._zipf(self._place.registers)
        _, version = await self._known(key)
        if version:
            value = self._client.value()
            await self._patch("cas", key, value, value, version)

    async def _append(self) -> None:
        key = self._zipf(self._place.lists)
        text, version = await self._known(key)
        # A list that is full begins anew.
        value = self._client.value()
        if version and len(text) < 3900:
            await self._patch("append", key, value, f"{text} {value}".strip(), version)

    async def _patch(self, f: str, key: str, value: str, text: str, version: int) -> None:
        ask = Ask(
            f, "sales", "PATCH", f"/v1/opportunities/{key}", {"description": text},
            match=version, keys=[key], versions=[version], value=value,
        )  # fmt: skip
        self._remember(await self._client.ask(ask), [key])

    async def _transfer(self) -> None:
        """Move money between two accounts in one batch."""
        two = self._random.sample(list(self._place.accounts), 2)
        for one in two:
            await self._known(one)
        if not all(one in self._seen for one in two):
            return
        (left, first), (right, second) = (self._seen[one] for one in two)
        sum_moved = min(self._random.randint(1, 50), int(float(left)))
        value = self._client.value()
        amounts = (int(float(left)) - sum_moved, int(float(right)) + sum_moved)
        requests = [
            {"opportunity": {
                "id": key, "etag": f'"{version}"', "amount": money(amount), "description": value,
            }}
            for key, version, amount in zip(two, (first, second), amounts, strict=True)
        ]  # fmt: skip
        ask = Ask(
            "transfer", "sales", "POST", "/v1/opportunities:batchUpdate", {"requests": requests},
            keys=two, versions=[first, second], value=value,
        )  # fmt: skip
        self._remember(await self._client.ask(ask), two)

    async def _delete(self) -> None:
        """Delete or restore a record of one's own."""
        places = [at for at, one in enumerate(self._own[-40:], max(0, len(self._own) - 40))]
        if not places:
            return
        at = self._random.choice(places)
        kind, key, gone = self._own[at]
        service = {"customers": "customer", "opportunities": "sales"}.get(kind, "marketing")
        if gone:
            ask = Ask("restore", service, "POST", f"/v1/{kind}/{key}:undelete", {}, keys=[key])
        else:
            ask = Ask("delete", service, "DELETE", f"/v1/{kind}/{key}?force=true", keys=[key])
        if await self._client.ask(ask) is not None:
            self._own[at] = (kind, key, not gone)

    async def _read_own(self) -> None:
        if not self._own:
            return
        kind, key, _ = self._random.choice(self._own)
        service = {"customers": "customer", "opportunities": "sales"}.get(kind, "marketing")
        await self._client.ask(Ask("own", service, "GET", f"/v1/{kind}/{key}", keys=[key]))

    async def _list(self) -> None:
        kind, service = self._random.choice([("customers", "customer"), ("opportunities", "sales")])
        params: dict[str, str | int] = {"page_size": 20, "order_by": "update_time desc"}
        await self._client.ask(Ask("list", service, "GET", f"/v1/{kind}", params=params))

    async def _search(self) -> None:
        params: dict[str, str | int] = {"page_size": 20, "filter": self._place.canary}
        await self._client.ask(Ask("search", "customer", "GET", "/v1/customers", params=params))

    async def _bank(self) -> None:
        """All accounts at one moment."""
        ids = list(self._place.accounts)
        ask = Ask("bank", "sales", "POST", "/v1/opportunities:batchGet", {"ids": ids}, keys=ids)
        await self._client.ask(ask)

    async def _report(self) -> None:
        params: dict[str, str | int] = {"group_by": "stage"}
        path = "/v1/reports/pipelineSummary"
        await self._client.ask(Ask("report", "reporting", "GET", path, params=params))

    async def _import(self) -> None:
        value = self._client.value()
        rows = "".join(f"{value}{row},{value}{row}\n" for row in range(IMPORT_ROWS))
        upload = (json.dumps(IMPORT_SPEC), f"name,id\n{rows}".encode())
        ask = Ask("import", "customer", "POST", "/v1/imports", value=value, upload=upload)
        await self._follow(await self._client.ask(ask))

    async def _export(self) -> None:
        ask = Ask("export", "customer", "POST", "/v1/customers:export", {"fields": "id,name"})
        name = await self._follow(await self._client.ask(ask))
        if name:
            path = f"/v1/operations/{name}/result"
            await self._client.ask(Ask("file", "customer", "GET", path))

    async def _follow(self, started: Json | None) -> str:
        """Wait for the end of an operation; its id once it has succeeded."""
        name = str((started or {}).get("name", "")).rpartition("/")[2]
        for _ in range(int(OPERATION_S / POLL_S) if name else 0):
            path = f"/v1/operations/{name}"
            found = await self._client.ask(Ask("operation", "customer", "GET", path))
            if found and found.get("done"):
                return name if "response" in found else ""
            await asyncio.sleep(POLL_S)
        return ""

    async def _known(self, key: str) -> tuple[str, int]:
        """Text and version of a shared record, read when they are not known."""
        if key not in self._seen:
            ask = Ask("look", "sales", "GET", f"/v1/opportunities/{key}", keys=[key])
            self._remember(await self._client.ask(ask), [key])
        return self._seen.get(key, ("", 0))

    def _remember(self, answer: Json | None, keys: list[str]) -> None:
        for key in keys:
            self._seen.pop(key, None)
        for one in records_of(answer):
            self._seen[str(one["id"])] = (shown(one), version_of(one))

    def _zipf(self, keys: object) -> str:
        names = list(keys) if isinstance(keys, (list, tuple)) else []
        (found,) = self._random.choices(names, [1 / (rank + 1) for rank in range(len(names))])
        return str(found)


def money(amount: int) -> Json:
    """An amount of whole units."""
    return {"currency_code": CURRENCY, "amount": str(amount)}


async def work(plan: Plan, number: int) -> None:
    """All clients of one process, and a line with their count now and then."""
    folder = Path(plan.folder)
    history = History(folder / f"history-{number}.jsonl")
    numbers = [number * plan.clients + at for at in range(plan.clients)]
    clients = [
        Client(plan.url, plan.places[one % len(plan.places)], one, history) for one in numbers
    ]
    share = plan.operations / plan.processes

    def over() -> bool:
        return sum(one.done for one in clients) >= share and (folder / "calm").exists()

    async def run(client: Client) -> None:
        worker = Worker(client, plan.seed)
        while not over():
            await worker.step()

    async def tell() -> None:
        while True:
            (folder / f"done-{number}").write_text(str(sum(one.done for one in clients)))
            await asyncio.sleep(POLL_S)

    telling = asyncio.create_task(tell())
    await asyncio.gather(*(run(one) for one in clients))
    telling.cancel()
    for one in clients:
        await one.close()
    history.close()


if __name__ == "__main__":
    told = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    asyncio.run(work(told, int(sys.argv[2])))
