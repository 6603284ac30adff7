"""The composition root of the identity service."""

import hmac
import json
import os

from chassis.access.model import AccessRecord
from chassis.app import Parts, Run, Toolbox
from chassis.call import Call
from chassis.errors import Unauthenticated
from chassis.resource.plan import Plan
from chassis.rpc.methods import Free, Methods, Unary
from crm.identity.v1 import session_pb2 as pb
from services.identity.methods.access import AccessRecords
from services.identity.methods.department import DEPARTMENT
from services.identity.methods.passwords import Passwords
from services.identity.methods.role import ROLE
from services.identity.methods.session import Sessions
from services.identity.methods.tenant import Tenants, tenant_snapshot
from services.identity.methods.transfer import TRANSFER, Transfers
from services.identity.methods.user import OwnUser, user_resource
from services.identity.settings import Settings, read_settings


class LocalIdentity(AccessRecords):
    """Identity as identity itself reaches it: keys and access from its own settings and tables."""

    def __init__(
        self, toolbox: Toolbox, plans: list[Plan], settings: Settings, sessions: Sessions
    ) -> None:
        super().__init__(toolbox.database, plans)
        self._sessions = sessions
        keys = [key.as_dict(private=False) for key in settings.signing_keys]
        self._jwks = json.dumps({"keys": keys})
        self._secrets = settings.service_secrets

    async def fetch_keys(self) -> str:
        """JSON Web Key Set of internal tokens."""
        return self._jwks

    async def fetch_access(self, tenant_id: str) -> list[AccessRecord]:
        """Everything that decides access in one tenant."""
        return await self.fetch(tenant_id)

    async def deferred_token(self, tenant_id: str, user_id: str) -> str:
        """A token with a user's present rights, for work that he has started."""
        return (await self._sessions.act_for(tenant_id, user_id)).token

    async def get_keys(self, _call: Call, _request: pb.GetKeysRequest) -> pb.GetKeysResponse:
        """The public keys."""
        return pb.GetKeysResponse(jwks=self._jwks)

    def check_secret(self, request: pb.IssueServiceTokenRequest) -> None:
        """Unauthenticated unless the service's secret is right."""
        expected = self._secrets.get(request.service, "")
        if not expected or not hmac.compare_digest(expected.encode(), request.secret.encode()):
            raise Unauthenticated("SERVICE_UNKNOWN", "Service name or secret is wrong.")


def serve(run: Run) -> None:
    """Read the settings and run the service, or an operator's command on it."""
    settings = read_settings(os.environ)
    run(settings.service, lambda toolbox: build(toolbox, settings))


def build(toolbox: Toolbox, settings: Settings) -> Parts:
    """Resources, methods, consumers and jobs of the service."""
    passwords = Passwords()
    users = toolbox.collection(user_resource(passwords))
    departments = toolbox.collection(DEPARTMENT)
    roles = toolbox.collection(ROLE)
    sessions = Sessions(toolbox.database, passwords, settings.signing_keys[0])
    plans = [users.plan, departments.plan, roles.plan]
    identity = LocalIdentity(toolbox, plans, settings, sessions)
    tenants = Tenants(toolbox.database, passwords, users, roles)
    transfers = Transfers(users, toolbox.starter, toolbox.clients, tuple(toolbox.settings.targets))
    return Parts(
        identity=identity,
        collections=(users, departments, roles),
        snapshots={"tenant": tenant_snapshot},
        works={TRANSFER: transfers.work},
        methods={
            "crm.identity.v1.UserService": users.methods()
            | {"GetOwnUser": Unary(OwnUser(users.plan).get)},
            "crm.identity.v1.DepartmentService": departments.methods(),
            "crm.identity.v1.RoleService": roles.methods(),
            "crm.identity.v1.TenantService": {
                "CreateTenant": Free(tenants.create),
                "ListTenants": Free(tenants.list),
            },
            "crm.identity.v1.TransferService": transfers.methods(),
            "crm.identity.v1.SessionService": _session_methods(identity, sessions),
        },
    )


def _session_methods(identity: LocalIdentity, sessions: Sessions) -> Methods:
    async def issue(_call: Call, request: pb.IssueServiceTokenRequest) -> pb.InternalToken:
        identity.check_secret(request)
        return sessions.service_token(request.service)

    return {
        "CreateSession": Free(sessions.create),
        "RefreshSession": Free(sessions.refresh),
        "DeleteSession": Unary(sessions.delete),
        "ChangePassword": Free(sessions.change_password),
        "ExchangeToken": Free(sessions.exchange),
        "IssueServiceToken": Free(issue),
        "IssueDeferredToken": Free(sessions.deferred),
        "GetKeys": Free(identity.get_keys),
        "GetAccess": Free(identity.get_access),
    }
