"""What the tests of the operation log share: events, a log of one tenant, its verifier."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from joserfc.jwk import OKPKey
from prometheus_client import CollectorRegistry

from chassis.access.model import Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database
from chassis.events.applier import Applier
from chassis.events.envelope import Event
from chassis.events.metrics import ConsumerMetrics
from chassis.ids import new_id
from crm.identity.v1 import log_entry_pb2 as pb
from deploy.local.platform import Platform
from services.identity.consumers import consumers
from services.identity.methods.log_sign import RootSigner
from services.identity.methods.log_statement import RootFolder, RootKeys
from services.identity.methods.log_verify import LogVerifier

KEPT = timedelta(days=400)
AT_ONCE = timedelta(0)


def event(tenant_id: str, number: int = 0, **values: object) -> Event:
    """A change of a customer, as the consumer hears it."""
    said: dict[str, object] = {
        "id": new_id(),
        "tenant_id": tenant_id,
        "service": "customer",
        "resource": "customer",
        "name": "updated",
        "record_id": new_id(),
        "version": 2,
        "time": datetime.now(UTC),
        "actor_id": "0190c0f0-0000-7000-8000-0000000000aa",
        "through": "user",
        "cause_id": "",
        "data": {
            "name": f"客户 {number}",
            "phone": "+86 10 5555 0100",
            "changes": {"phone": {"from": "secret", "to": "secret too"}},
        },
        "headers": {"ce-correlationid": f"request%20{number}"},
    }
    return Event(**{**said, **values})  # type: ignore[arg-type]  # the fields by name


@dataclass
class Ground:
    """One tenant's log. `owner` may do everything, as whoever has stolen the owner's password."""

    database: Database
    owner: asyncpg.Connection
    keys: RootKeys
    folder: RootFolder
    tenant: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        metrics = ConsumerMetrics(CollectorRegistry())
        self.applier = Applier(self.database, consumers()[0], metrics, lambda: None)
        self.signer = RootSigner(self.database, self.keys, self.folder)
        self.verifier = LogVerifier(self.keys, self.folder, KEPT)

    async def append(self, count: int, tenant: str = "") -> None:
        """Have so many events logged, as one batch."""
        of = tenant or self.tenant
        await self.applier.apply(of, [event(of, number) for number in range(count)])

    async def fill(self, *sizes: int) -> None:
        """Log batches of these sizes, each with a root of its own."""
        for size in sizes:
            await self.append(size)
            await self.signer.sign_due(AT_ONCE)

    async def verify(self, start: int = 0, end: int = 0) -> pb.VerifyLogEntriesResponse:
        """One call of the method that verifies."""
        request = pb.VerifyLogEntriesRequest(from_sequence=start, to_sequence=end)
        async with self.database.transaction(self.tenant) as tx:
            return await self.verifier.verify(self.call(), tx, request)

    async def verify_all(self) -> pb.VerifyLogEntriesResponse:
        """The last answer of as many calls as it takes."""
        answer = await self.verify()
        while answer.next_sequence:
            answer = await self.verify(answer.next_sequence)
        return answer

    def call(self) -> Call:
        """A call of the tenant's administrator."""
        user = new_id()
        access = Access(
            members={user: Member(role_ids=("r",))},
            roles={"r": (Grant("*", frozenset({"READ"}), "ALL"),)},
        )
        principal = Principal("user", user, self.tenant, role_ids=("r",))
        return Call(principal, access, "", datetime.now(UTC), deadline=0.0)


def new_keys() -> RootKeys:
    """A key that nobody else has."""
    key = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"}, auto_kid=True)
    return RootKeys([key])


async def new_ground(platform: Platform, database: Database, folder: Path) -> Ground:
    """A ground; the caller closes its owner's connection."""
    owner = await asyncpg.connect(platform.database_url("identity", "owner"))
    return Ground(database, owner, new_keys(), RootFolder(folder / "log-roots"))
