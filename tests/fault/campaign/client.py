"""One client: makes calls over HTTP and writes down what it asks and what it is told."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import httpx
import msgspec

from tests.fault.campaign.history import ASIDE, CHANGES, Event, History, Kind, now, other_canaries
from tests.live import PASSWORD

Json: TypeAlias = dict[str, object]
TIMEOUT_S = 10.0
# How long an outcome is asked for, and how long a client rests after it has heard nothing.
PATIENCE_S = 90.0
PAUSE_S = 0.15
# A token lives for an hour.
RENEW_S = 2700.0
REPLAYED = 0.1
# Refusals that say nothing about the change: it may be asked for again under the same key.
UNDECIDED = frozenset({408, 409, 425, 429})


@dataclass(frozen=True)
class Ask:
    """What is asked for."""

    f: str
    service: str
    method: str
    path: str
    body: Json | None = None
    match: int = 0
    keys: Sequence[str] = ()
    versions: Sequence[int] = ()
    value: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)
    upload: tuple[str, bytes] | None = None


@dataclass(frozen=True)
class Place:
    """A tenant as clients know it: its records for the several kinds of operation."""

    id: str
    canary: str
    token: str
    registers: Sequence[str] = ()
    lists: Sequence[str] = ()
    accounts: Sequence[str] = ()
    # Who signs in again before the token ends.
    slug: str = ""
    email: str = ""


class Client:
    """One logical process: one call at a time."""

    def __init__(self, url: str, place: Place, process: int, history: History) -> None:
        self.place = place
        self.process = process
        self.random = random.Random(process)
        self.done = 0
        self._number = 0
        self._history = history
        self._foreign = other_canaries(place.canary)
        self._renewed_at = now()
        headers = {"authorization": f"Bearer {place.token}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def value(self) -> str:
        """A value that nobody else writes."""
        return f"{self.place.canary} {self.process}-{self._number + 1}."

    async def ask(self, ask: Ask, timeout_s: float = TIMEOUT_S) -> Json | None:
        """The answer, or None when it is refused; what has no outcome is asked again, with the
        same key if it changes something.
        """
        self._number += 1
        op = f"{self.process}-{self._number}"
        until = now() + PATIENCE_S
        while True:
            self._note(op, "invoke", ask)
            answer = await self._send(op, ask, timeout_s)
            kind = outcome(answer)
            if kind != "info" or now() > until:
                break
            self._tell(op, kind, ask, answer)
            timeout_s = TIMEOUT_S
            await asyncio.sleep(PAUSE_S * self.random.uniform(0.5, 1.5))
        self._tell(op, kind, ask, answer)
        self.done += ask.f not in ASIDE
        if kind != "ok" or answer is None:
            return None
        if ask.f in CHANGES and self.random.random() < REPLAYED:
            await self._replay(op, ask)
        return body_of(answer)

    async def _replay(self, op: str, ask: Ask) -> None:
        """Send again what has succeeded: it must give the same records and change nothing."""
        until = now() + PATIENCE_S
        while now() < until:
            answer = await self._send(op, ask, TIMEOUT_S)
            if outcome(answer) != "info":
                self._tell(op, "replay", ask, answer)
                return
            await asyncio.sleep(PAUSE_S)

    async def _send(self, op: str, ask: Ask, timeout_s: float) -> httpx.Response | None:
        headers = {"idempotency-key": f"campaign-{op}"} if ask.f in CHANGES else {}
        if ask.match:
            headers["if-match"] = f'"{ask.match}"'
        try:
            await self._renew()
            if ask.upload is not None:
                spec, content = ask.upload
                return await self._http.post(
                    ask.path, headers=headers, timeout=timeout_s,
                    data={"spec": spec}, files={"file": ("rows.csv", content, "text/csv")},
                )  # fmt: skip
            return await self._http.request(
                ask.method, ask.path, json=ask.body, headers=headers, params=dict(ask.params),
                timeout=timeout_s,
            )  # fmt: skip
        except httpx.HTTPError:
            return None

    async def _renew(self) -> None:
        if now() - self._renewed_at < RENEW_S:
            return
        body = {"email": self.place.email, "password": PASSWORD, "tenant": self.place.slug}
        answer = await self._http.post("/v1/sessions", json=body)
        if answer.status_code == httpx.codes.OK:
            self._renewed_at = now()
            self._http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"

    def _tell(self, op: str, kind: Kind, ask: Ask, answer: httpx.Response | None) -> None:
        if answer is None:
            self._note(op, kind, ask)
            return
        leaked = self._foreign.search(answer.text)
        if leaked:
            self._note(op, "leak", replace(ask, value=leaked[0]))
        if answer.status_code != httpx.codes.OK:
            self._note(op, kind, ask, status=answer.status_code, note=reason(answer))
            return
        records = records_of(body_of(answer))
        self._note(
            op, kind, replace(
                ask,
                keys=[str(one["id"]) for one in records],
                versions=[version_of(one) for one in records],
            ),
            status=answer.status_code, seen=[shown(one) for one in records],
        )  # fmt: skip

    def _note(  # the parts of an event
        self,
        op: str,
        kind: Kind,
        ask: Ask,
        status: int = 0,
        note: str = "",
        seen: Sequence[str] = (),
    ) -> None:
        event = Event(
            op=op, kind=kind, f=ask.f, t=now(), tenant=self.place.id, process=self.process,
            service=ask.service, keys=list(ask.keys), versions=list(ask.versions),
            value=ask.value, status=status, note=note, seen=list(seen),
        )  # fmt: skip
        self._history.add(event)


def outcome(answer: httpx.Response | None) -> Kind:
    """What an answer says of a change: done, refused for good, or nothing."""
    if answer is None or answer.status_code >= 500 or answer.status_code in UNDECIDED:
        return "info"
    return "ok" if answer.status_code == httpx.codes.OK else "fail"


def reason(answer: httpx.Response) -> str:
    """The reason of a refusal."""
    try:
        return str(msgspec.json.decode(answer.content, type=Json).get("reason", ""))
    except msgspec.DecodeError:
        return "NO_PROBLEM"


def body_of(answer: httpx.Response) -> Json:
    """The JSON object of an answer; empty for a file."""
    if answer.headers.get("content-type") != "application/json":
        return {}
    body = answer.json()
    assert isinstance(body, dict)
    return body


def records_of(body: object) -> list[Json]:
    """The records in an answer: itself, or those of its page or batch."""
    if not isinstance(body, dict):
        return []
    if "etag" in body:
        return [body]
    lists = (value for value in body.values() if isinstance(value, list))
    return [one for rows in lists for one in rows if isinstance(one, dict) and "etag" in one]


def version_of(record: Json) -> int:
    """The version that its entity tag names."""
    return int(str(record["etag"]).strip('"'))


def shown(record: Json) -> str:
    """What an operation reads of a record: its amount on an account, else its text."""
    amount = record.get("amount")
    if isinstance(amount, dict):
        return str(amount["amount"])
    return str(record.get("description") or "")
