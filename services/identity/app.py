"""The composition root of the identity service."""

import hmac
import json
import os
from pathlib import Path

from chassis.access.model import AccessRecord
from chassis.app import Parts, Run, Toolbox
from chassis.call import Call
from chassis.db.pool import Database
from chassis.errors import Unauthenticated
from chassis.resource.plan import Plan
from chassis.resource.standard import Collection
from chassis.rpc.methods import Free, Methods, Unary
from crm.identity.v1 import session_pb2 as pb
from services.identity.consumers import consumers
from services.identity.jobs import jobs
from services.identity.methods.access import AccessRecords
from services.identity.methods.account import Accounts
from services.identity.methods.announcement import ANNOUNCEMENT
from services.identity.methods.announcement_inbox import Inbox
from services.identity.methods.announcement_receipt import Receipts
from services.identity.methods.api_client import API_CLIENT
from services.identity.methods.api_client_secret import Secrets
from services.identity.methods.attempts import Attempts
from services.identity.methods.bearers import Bearers
from services.identity.methods.client_token import ClientTokens
from services.identity.methods.department import DEPARTMENT
from services.identity.methods.log_entry import LogEntries
from services.identity.methods.log_sign import RootSigner
from services.identity.methods.log_statement import RootFolder, RootKeys
from services.identity.methods.log_verify import LogVerifier
from services.identity.methods.mail import Mailer
from services.identity.methods.mail_sender import MailSender, by_smtp, into_folder
from services.identity.methods.open_session import OpenSessions
from services.identity.methods.passwords import Passwords
from services.identity.methods.preferences import OwnPreferences
from services.identity.methods.presence import Presence
from services.identity.methods.reset import PasswordResets
from services.identity.methods.role import ROLE
from services.identity.methods.seal import Seal
from services.identity.methods.second_factor import SecondFactors
from services.identity.methods.session import Sessions
from services.identity.methods.sign_in import SignIn
from services.identity.methods.sign_in_log import SignInLog
from services.identity.methods.tenant import TenantSettings, tenant_snapshot
from services.identity.methods.tenant_state import TenantStates
from services.identity.methods.tenants import Tenants
from services.identity.methods.transfer import TRANSFER, Transfers
from services.identity.methods.user import OwnUser, user_resource
from services.identity.settings import Settings, read_settings


class LocalIdentity(AccessRecords):
    """Identity as identity itself reaches it: keys and access from its own settings and tables."""

    def __init__(
        self, toolbox: Toolbox, plans: list[Plan], settings: Settings, bearers: Bearers
    ) -> None:
        super().__init__(toolbox.database, plans)
        self.bearers = bearers
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
        """A token with somebody's present rights, for work that he has started."""
        return (await self.bearers.act_for(tenant_id, user_id)).token

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
    departments, roles = toolbox.collection(DEPARTMENT), toolbox.collection(ROLE)
    clients, announcements = toolbox.collection(API_CLIENT), toolbox.collection(ANNOUNCEMENT)
    secrets = Secrets(clients)
    sign_ins = SignInLog(toolbox.database)
    sessions = Sessions(toolbox.database, settings.signing_keys[0], sign_ins)
    attempts = Attempts(toolbox.database, settings.failures_per_address)
    accounts = Accounts(toolbox.database, passwords, attempts, users.plan, sign_ins)
    factors = SecondFactors(accounts, Seal(settings.sealing_keys))
    sign_in = SignIn(passwords, accounts, factors, sessions)
    tokens = ClientTokens(toolbox.database, settings.signing_keys[0])
    plans = [users.plan, departments.plan, roles.plan, clients.plan]
    identity = LocalIdentity(toolbox, plans, settings, Bearers(sessions, tokens))
    preferences = OwnPreferences(toolbox.database)
    tenants = Tenants(toolbox.database, passwords, users, roles)
    transfers = Transfers(users, toolbox.starter, toolbox.clients, tuple(toolbox.settings.targets))
    log_keys, log_folder = RootKeys(settings.log_keys), RootFolder(settings.log_root_dir)
    log_verifier = LogVerifier(log_keys, log_folder, settings.log_kept)
    log_signer = RootSigner(toolbox.database, log_keys, log_folder)
    mailer = Mailer(toolbox.database, _mail_sender(settings), settings.public_url)
    return Parts(
        identity=identity,
        collections=(users, departments, roles, clients, announcements),
        consumers=consumers(),
        snapshots={"tenant": tenant_snapshot},
        works={TRANSFER: transfers.work},
        jobs=jobs(toolbox.database, log_signer, settings.log_kept, mailer),
        methods={
            "crm.identity.v1.UserService": users.methods()
            | {"GetOwnUser": Unary(OwnUser(users.plan).get)},
            "crm.identity.v1.DepartmentService": departments.methods(),
            "crm.identity.v1.RoleService": roles.methods(),
            "crm.identity.v1.TenantService": _tenant_methods(tenants, toolbox.database),
            "crm.identity.v1.TransferService": transfers.methods(),
            "crm.identity.v1.LogEntryService": LogEntries(
                log_verifier, settings.service.page_token_key
            ).methods(),
            "crm.identity.v1.SessionService": {
                **_session_methods(identity, sessions),
                **identity.bearers.methods(),
                **OpenSessions(users.plan).methods(),
                "CreateSession": preferences.told(sign_in.create),
                "ChangePassword": Free(accounts.change_password),
            },
            "crm.identity.v1.CredentialService": PasswordResets(accounts, toolbox.custom).methods()
            | factors.methods(),
            "crm.identity.v1.ApiClientService": clients.methods()
            | {"GetApiClient": Unary(secrets.get)},
            "crm.identity.v1.ApiClientSecretService": secrets.methods(),
            "crm.identity.v1.ClientTokenService": tokens.methods(),
            "crm.identity.v1.PreferencesService": preferences.methods(),
            "crm.identity.v1.PresenceService": Presence(toolbox.database, users.plan).methods(),
            **_announcement_methods(announcements, users),
        },
    )


def _announcement_methods(announcements: Collection, users: Collection) -> dict[str, Methods]:
    receipts = Receipts(announcements.plan, users.plan)
    inbox = Inbox(announcements.plan, announcements.page_token_key)
    return {
        "crm.identity.v1.AnnouncementService": announcements.methods(),
        "crm.identity.v1.AnnouncementReceiptService": {
            "ListInbox": Unary(inbox.list),
            **receipts.methods(),
        },
    }


def _tenant_methods(tenants: Tenants, database: Database) -> Methods:
    states, settings = TenantStates(database), TenantSettings()
    return {**tenants.methods(), **states.methods(), **settings.methods()}


def _mail_sender(settings: Settings) -> MailSender:
    by_server = settings.smtp_url and by_smtp(settings.smtp_url)
    return MailSender(settings.mail_from, by_server or into_folder(Path(settings.mail_dir)))


def _session_methods(identity: LocalIdentity, sessions: Sessions) -> Methods:
    async def issue(_call: Call, request: pb.IssueServiceTokenRequest) -> pb.InternalToken:
        identity.check_secret(request)
        return sessions.service_token(request.service)

    return {
        "RefreshSession": Free(sessions.refresh),
        "IssueServiceToken": Free(issue),
        "GetKeys": Free(identity.get_keys),
        "GetAccess": Free(identity.get_access),
    }
