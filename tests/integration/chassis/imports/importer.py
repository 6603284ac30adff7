"""A user who imports files through gRPC, as the gateway would for him."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.longrunning.operations_pb2 import Operation
from google.protobuf.message import Message

from chassis.rpc.client import Clients
from chassis.rpc.methods import method_facts
from crm.chassis.v1 import import_pb2, operation_pb2
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import role_pb2, session_pb2, tenant_pb2, user_pb2
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform

PASSWORD = "correct horse battery staple"
SESSIONS = "crm.identity.v1.SessionService"
IMPORTS = "crm.chassis.v1.ImportService"
CANCEL_TRIES = 3
OPERATIONS = "crm.chassis.v1.OperationService"
CHUNK = 60_000
AWAY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Counts:
    """How an import ended."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0


class Importer:
    """One signed-in user and the channel to the services."""

    def __init__(
        self, platform: Platform, clients: Clients, slug: str, login: str, role_id: str = ""
    ) -> None:
        self.platform = platform
        self.clients = clients
        self.slug = slug
        self.role_id = role_id
        self._login = login
        self._token = ""
        self._renew_at = 0.0
        self._channels: dict[str, grpc.aio.Channel] = {}

    @classmethod
    async def sign_up(cls, platform: Platform) -> "Importer":
        """The administrator of a new tenant."""
        environment = platform.service_environment("customer")
        names = ("identity", "customer", "sales")
        targets = {name: environment[f"{name.upper()}_TARGET"] for name in names}
        clients = Clients("customer", environment["SERVICE_SECRET"], targets)
        slug = f"t{time.time_ns()}"
        await clients.call(
            "identity",
            "crm.identity.v1.TenantService/CreateTenant",
            tenant_pb2.CreateTenantRequest(
                slug=slug,
                name="Acme",
                admin_login="admin",
                admin_email=f"{slug}@example.com",
                admin_password=PASSWORD,
            ),
        )
        return cls(platform, clients, slug, "admin")

    async def colleague(self, login: str, grants: list[role_pb2.Grant]) -> "Importer":
        """Another user of the tenant, with a role of his own."""
        role = await self.call(
            "identity",
            "crm.identity.v1.RoleService/CreateRole",
            role_pb2.CreateRoleRequest(role=role_pb2.Role(name=f"role of {login}", grants=grants)),
            role_pb2.Role,
        )
        user = user_pb2.User(name=login, login=login, password=PASSWORD, role_ids=[role.id])
        await self.call(
            "identity",
            "crm.identity.v1.UserService/CreateUser",
            user_pb2.CreateUserRequest(user=user),
            user_pb2.User,
        )
        return Importer(self.platform, self.clients, self.slug, login, role.id)

    async def close(self) -> None:
        """Close all channels."""
        await self.clients.close()
        for channel in self._channels.values():
            await channel.close(None)

    async def token(self) -> str:
        """The user's internal token, renewed every few minutes."""
        if time.monotonic() > self._renew_at:
            login = session_pb2.CreateSessionRequest(
                login=self._login, tenant=self.slug, password=PASSWORD
            )
            session = await self.clients.call("identity", f"{SESSIONS}/CreateSession", login)
            assert isinstance(session, session_pb2.Session)
            request = session_pb2.ExchangeTokenRequest(access_token=session.access_token)
            answer = await self.clients.call("identity", f"{SESSIONS}/ExchangeToken", request)
            assert isinstance(answer, session_pb2.InternalToken)
            self._token, self._renew_at = answer.token, time.monotonic() + 240
        return self._token

    async def call(
        self, service: str, method: str, request: Message, answer: type[M], key: str = ""
    ) -> M:
        """Call a method of a service as the user."""
        headers = {"idempotency-key": key} if key else {}
        message = await self.clients.call(
            service, method, request, token=await self.token(), metadata=headers
        )
        assert isinstance(message, answer)
        return message

    async def upload(self, data: bytes | Iterable[bytes], service: str = "customer") -> str:
        """Upload a file; its id."""
        facts = method_facts(IMPORTS)["UploadFile"]
        stub = self._channel(service).stream_unary(
            f"/{IMPORTS}/UploadFile", facts.request.SerializeToString, facts.response.FromString
        )
        pieces = (
            (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
            if isinstance(data, bytes)
            else data
        )
        messages = (operation_pb2.FileChunk(data=piece) for piece in pieces)
        metadata = (("authorization", f"Bearer {await self.token()}"),)
        answer = await stub(messages, timeout=60, metadata=metadata)
        return str(answer.file_id)

    async def start(
        self, spec: import_pb2.ImportSpec, data: bytes, service: str = "customer"
    ) -> Operation:
        """Upload a file and begin to import it."""
        file_id = await self.upload(data, service)
        return await self.create(
            import_pb2.CreateImportRequest(file_id=file_id, spec=spec), service
        )

    async def create(
        self, request: import_pb2.CreateImportRequest, service: str = "customer", key: str = ""
    ) -> Operation:
        """Begin to import a file."""
        return await self.call(service, f"{IMPORTS}/CreateImport", request, Operation, key)

    async def get_again(self, name: str) -> Operation:
        """The operation after its service was killed: the channel needs a moment to see that."""
        for _ in range(10):
            try:
                return await self.get(name)
            except grpc.aio.AioRpcError as error:
                if error.code() not in AWAY:
                    raise
            await asyncio.sleep(0.5)
        return await self.get(name)

    async def get(self, name: str) -> Operation:
        """The operation as it stands."""
        request = operation_pb2.GetOperationRequest(id=name)
        return await self.call(_owner(name), f"{OPERATIONS}/GetOperation", request, Operation)

    async def cancel(self, name: str) -> Operation:
        """Ask it to stop; again when the batch under way held the operation for too long."""
        request, method = operation_pb2.CancelOperationRequest(id=name), "CancelOperation"
        for _ in range(CANCEL_TRIES - 1):
            try:
                return await self.call(_owner(name), f"{OPERATIONS}/{method}", request, Operation)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.ABORTED:
                    raise
        return await self.call(_owner(name), f"{OPERATIONS}/{method}", request, Operation)

    async def end(self, name: str, wait_s: float = 60.0) -> Operation:
        """The operation once it is done."""
        deadline = time.monotonic() + wait_s
        operation = await self.get(name)
        while not operation.done:
            assert time.monotonic() < deadline, metadata(operation)
            await asyncio.sleep(0.1)
            operation = await self.get(name)
        return operation

    async def run(
        self, spec: import_pb2.ImportSpec, data: bytes, service: str = "customer"
    ) -> Counts:
        """Import a file to its end; it must succeed."""
        operation = await self.end((await self.start(spec, data, service)).name)
        assert not operation.HasField("error"), operation.error
        result = operation_pb2.OperationResult()
        assert operation.response.Unpack(result)
        return counts(result)

    async def errors(self, name: str) -> str:
        """The error file."""
        service = _owner(name)
        facts = method_facts(OPERATIONS)["DownloadErrors"]
        stub = self._channel(service).unary_stream(
            f"/{OPERATIONS}/DownloadErrors",
            facts.request.SerializeToString,
            facts.response.FromString,
        )
        metadata = (("authorization", f"Bearer {await self.token()}"),)
        request = operation_pb2.DownloadErrorsRequest(id=name)
        chunks = stub(request, timeout=20, metadata=metadata)
        return b"".join([chunk.data async for chunk in chunks]).decode()

    async def customers(self, filter_: str = "") -> list[customer_pb2.Customer]:
        """All customers that match."""
        found: list[customer_pb2.Customer] = []
        request = ListRequest(filter=filter_, page_size=1000, order_by="name")
        while True:
            page = await self.call(
                "customer",
                "crm.customer.v1.CustomerService/ListCustomers",
                request,
                customer_pb2.ListCustomersResponse,
            )
            found += page.customers
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def _channel(self, service: str) -> grpc.aio.Channel:
        if service not in self._channels:
            target = f"127.0.0.1:{self.platform.port(service)}"
            self._channels[service] = grpc.aio.insecure_channel(target)
        return self._channels[service]


def _owner(operation_id: str) -> str:
    return operation_id.split("-", 1)[0]


def metadata(operation: Operation) -> operation_pb2.OperationMetadata:
    """What the operation tells about itself."""
    found = operation_pb2.OperationMetadata()
    assert operation.metadata.Unpack(found)
    return found


def counts(result: operation_pb2.OperationResult) -> Counts:
    """The four counts."""
    return Counts(result.created, result.updated, result.skipped, result.failed)


def spec_of(
    fields: Mapping[str, str],
    *,
    resource: str = "customers",
    match: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    defaults: Mapping[str, str] | None = None,
    validate_only: bool = False,
) -> import_pb2.ImportSpec:
    """A spec from {field: column}, and match fields and value maps by field."""
    return import_pb2.ImportSpec(
        resource=resource,
        external_source="test",
        columns=[
            import_pb2.ColumnMapping(
                column=column,
                field=field,
                match=(match or {}).get(field, ""),
                values=(values or {}).get(field, {}),
            )
            for field, column in fields.items()
        ],
        defaults=defaults or {},
        validate_only=validate_only,
    )
