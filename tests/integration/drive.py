"""Drives a running platform over gRPC as the gateway does: tenants, people, their calls."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo

from chassis.rpc.client import Clients, status_of
from crm.identity.v1 import (
    api_client_pb2,
    api_client_secret_pb2,
    client_token_pb2,
    role_pb2,
    session_pb2,
    tenant_pb2,
    user_pb2,
)
from deploy.local.platform import Platform

PASSWORD = "correct horse battery"
SESSIONS = "crm.identity.v1.SessionService"
CLIENT_TOKENS = "crm.identity.v1.ClientTokenService"


@dataclass(frozen=True)
class Refusal:
    """How a call was refused."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]


@dataclass(frozen=True)
class Person:
    """A signed-in user."""

    clients: Clients
    id: str
    tenant_id: str
    slug: str
    token: str

    async def call(
        self,
        method: str,
        request: Message,
        *,
        if_match: str = "",
        key: str = "",
    ) -> Message:
        """Call "sales.OpportunityService/WinOpportunity", or what every service has, for example
        "sales.crm.chassis.v1.ShareService/CreateShare", with these headers.
        """
        service, _, rest = method.partition(".")
        path = rest if rest.startswith("crm.") else f"crm.{service}.v1.{rest}"
        headers = {"if-match": if_match, "idempotency-key": key}
        metadata: Mapping[str, str] = {name: value for name, value in headers.items() if value}
        return await self.clients.call(service, path, request, token=self.token, metadata=metadata)

    async def refused(
        self, method: str, request: Message, *, if_match: str = "", key: str = ""
    ) -> Refusal:
        """The refusal of a call that must not go through."""
        try:
            await self.call(method, request, if_match=if_match, key=key)
        except grpc.aio.AioRpcError as error:
            status, info = status_of(error), ErrorInfo()
            if status is not None:
                status.details[0].Unpack(info)
            return Refusal(error.code(), info.reason, dict(info.metadata))
        raise AssertionError(f"{method} was not refused")

    async def reason(
        self, method: str, request: Message, expected: Collection[str] | None = None
    ) -> str:
        """Why a call is refused, "" when it is not; one that is not expected is raised."""
        try:
            await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            found = _reason_of(error)
            if expected is not None and found not in expected:
                raise
            return found
        return ""


def _reason_of(error: grpc.aio.AioRpcError) -> str:
    status, info = status_of(error), ErrorInfo()
    if status is not None:
        status.details[0].Unpack(info)
    return info.reason


@dataclass
class Drive:
    """The platform with clients of its own."""

    platform: Platform
    clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        names = ("identity", "customer", "sales", "marketing", "reporting")
        environment = self.platform.service_environment("customer")
        targets = {name: environment[f"{name.upper()}_TARGET"] for name in names}
        self.clients = Clients("customer", environment["SERVICE_SECRET"], targets)

    async def tenant(self, time_zone: str = "UTC") -> Person:
        """A new tenant's administrator."""
        slug = f"t{secrets.token_hex(6)}"
        request = tenant_pb2.CreateTenantRequest(
            slug=slug,
            name=slug,
            admin_login="admin",
            admin_email=f"admin@{slug}.example",
            admin_password=PASSWORD,
            time_zone=time_zone,
        )
        await self.clients.call("identity", "crm.identity.v1.TenantService/CreateTenant", request)
        return await self.sign_in(slug, "admin")

    async def user(self, admin: Person, login: str, grants: list[role_pb2.Grant]) -> Person:
        """A new user with a role of his own."""
        role = await admin.call(
            "identity.RoleService/CreateRole",
            role_pb2.CreateRoleRequest(role=role_pb2.Role(name=f"role of {login}", grants=grants)),
        )
        user = user_pb2.User(name=login, login=login, password=PASSWORD)
        user.role_ids.append(getattr(role, "id"))  # noqa: B009  # clients answer with messages in general
        await admin.call("identity.UserService/CreateUser", user_pb2.CreateUserRequest(user=user))
        return await self.sign_in(admin.slug, login)

    async def client(
        self, admin: Person, role_ids: Sequence[str], scopes: Sequence[str] = ()
    ) -> Person:
        """A new API client, with a token got for its only secret."""
        made = api_client_pb2.ApiClient(name="Integration", role_ids=role_ids, scopes=scopes)
        client = await admin.call(
            "identity.ApiClientService/CreateApiClient",
            api_client_pb2.CreateApiClientRequest(api_client=made),
        )
        assert isinstance(client, api_client_pb2.ApiClient)
        secret = await self.secret(admin, client.id)
        access = await self.client_token(client.id, secret)
        token = await self.exchanged(access.access_token)
        return Person(self.clients, client.id, token.tenant_id, admin.slug, token.token)

    async def secret(self, admin: Person, client_id: str) -> str:
        """Another secret of an API client."""
        added = await admin.call(
            "identity.ApiClientSecretService/AddSecret",
            api_client_secret_pb2.AddSecretRequest(id=client_id),
        )
        assert isinstance(added, api_client_secret_pb2.AddSecretResponse)
        return added.secret

    async def client_token(
        self, client_id: str, secret: str, scope: str = ""
    ) -> client_token_pb2.ClientToken:
        """A token as the token endpoint gives it."""
        answer = await self.clients.call(
            "identity",
            f"{CLIENT_TOKENS}/CreateClientToken",
            client_token_pb2.CreateClientTokenRequest(
                credentials=client_token_pb2.ClientCredentials(
                    client_id=client_id, client_secret=secret
                ),
                scope=scope,
            ),
        )
        assert isinstance(answer, client_token_pb2.ClientToken)
        return answer

    async def exchanged(self, access_token: str) -> session_pb2.InternalToken:
        """The internal token for an opaque one."""
        token = await self.clients.call(
            "identity",
            f"{SESSIONS}/ExchangeToken",
            session_pb2.ExchangeTokenRequest(access_token=access_token),
        )
        assert isinstance(token, session_pb2.InternalToken)
        return token

    async def sign_in(self, slug: str, login: str, password: str = PASSWORD) -> Person:
        """Sign in and exchange the token."""
        session = await self.clients.call(
            "identity",
            f"{SESSIONS}/CreateSession",
            session_pb2.CreateSessionRequest(login=login, tenant=slug, password=password),
        )
        assert isinstance(session, session_pb2.Session)
        token = await self.exchanged(session.access_token)
        return Person(self.clients, session.user_id, token.tenant_id, slug, token.token)
