"""Who may call what, written down once more beside the protos: a method without a row here, or
with another rule than its row, fails the test.
"""

from collections.abc import Iterator, Mapping

from crm.chassis.v1 import (
    access_pb2,
    bulk_pb2,
    choice_pb2,
    custom_field_index_pb2,
    custom_field_pb2,
    describe_pb2,
    export_pb2,
    history_pb2,
    import_pb2,
    operation_pb2,
    purge_pb2,
    share_pb2,
)
from crm.customer.v1 import contact_pb2, customer_pb2, customer_transition_pb2
from crm.event.v1 import change_pb2
from crm.identity.v1 import (
    announcement_pb2,
    announcement_receipt_pb2,
    api_client_pb2,
    api_client_secret_pb2,
    client_token_pb2,
    credential_pb2,
    department_pb2,
    log_entry_pb2,
    preferences_pb2,
    presence_pb2,
    role_pb2,
    session_pb2,
    tenant_pb2,
    transfer_pb2,
    user_pb2,
)
from crm.marketing.v1 import campaign_member_pb2, campaign_pb2
from crm.reporting.v1 import report_pb2
from crm.sales.v1 import (
    opportunity_pb2,
    opportunity_transition_pb2,
    pipeline_pb2,
    product_pb2,
    stage_move_pb2,
    stage_pb2,
)
from tests.integration.security.wire import SERVICES

# Every file with services; importing them puts them into the descriptor pool.
FILES = (
    access_pb2, choice_pb2, custom_field_index_pb2, custom_field_pb2, describe_pb2, history_pb2,
    share_pb2,
    import_pb2, operation_pb2, purge_pb2, contact_pb2, credential_pb2,
    customer_pb2, customer_transition_pb2, change_pb2, department_pb2, log_entry_pb2, role_pb2,
    session_pb2, tenant_pb2, user_pb2, campaign_member_pb2, campaign_pb2, report_pb2,
    opportunity_pb2, opportunity_transition_pb2, pipeline_pb2, product_pb2, stage_move_pb2,
    stage_pb2, announcement_pb2, announcement_receipt_pb2, api_client_pb2, api_client_secret_pb2,
    client_token_pb2, preferences_pb2, presence_pb2, bulk_pb2, export_pb2, transfer_pb2,
)  # fmt: skip
# Collections with the standard methods, by process.
COLLECTIONS: Mapping[str, Mapping[str, str]] = {
    "identity": {
        "User": "users",
        "Department": "departments",
        "Role": "roles",
        "ApiClient": "api_clients",
        "Announcement": "announcements",
    },
    "customer": {"Customer": "customers", "Contact": "contacts"},
    "sales": {
        "Product": "products",
        "Pipeline": "pipelines",
        "Stage": "stages",
        "Opportunity": "opportunities",
    },
    "marketing": {"Campaign": "campaigns", "CampaignMember": "campaign_members"},
}
STANDARD = {
    "Get": "read", "List": "read", "Create": "create", "Update": "update", "Delete": "delete",
    "Undelete": "delete", "BatchGet": "read", "BatchCreate": "create", "BatchUpdate": "update",
    "BatchDelete": "delete",
}  # fmt: skip
PLURALS = {"Opportunity": "Opportunities"}


def many(method: str) -> bool:
    """Whether a standard method is named by the plural."""
    return method == "List" or method.startswith("Batch")


SPECIAL: Mapping[str, str] = {
    "crm.identity.v1.SessionService/CreateSession": "internal",
    "crm.identity.v1.SessionService/RefreshSession": "internal",
    "crm.identity.v1.SessionService/DeleteSession": "self",
    "crm.identity.v1.SessionService/ChangePassword": "self",
    "crm.identity.v1.SessionService/ListSessions": "self",
    "crm.identity.v1.SessionService/RevokeSession": "self",
    "crm.identity.v1.CredentialService/ResetPassword": "users configure",
    "crm.identity.v1.CredentialService/InviteUser": "users configure",
    "crm.identity.v1.CredentialService/ResetSecondFactor": "users configure",
    "crm.identity.v1.CredentialService/CreatePasswordReset": "internal",
    "crm.identity.v1.CredentialService/ConfirmPasswordReset": "internal",
    "crm.identity.v1.CredentialService/EnrolSecondFactor": "self",
    "crm.identity.v1.CredentialService/ConfirmSecondFactor": "self",
    "crm.identity.v1.CredentialService/RemoveSecondFactor": "self",
    "crm.identity.v1.TenantService/GetTenant": "tenant read",
    "crm.identity.v1.TenantService/UpdateTenant": "tenant configure",
    "crm.identity.v1.UserService/GetOwnUser": "self",
    "crm.identity.v1.SessionService/ExchangeToken": "internal",
    "crm.identity.v1.SessionService/IssueServiceToken": "open",
    "crm.identity.v1.SessionService/IssueDeferredToken": "internal",
    "crm.identity.v1.SessionService/GetKeys": "open",
    "crm.identity.v1.SessionService/GetAccess": "internal",
    "crm.identity.v1.LogEntryService/GetLogEntry": "log_entries read",
    "crm.identity.v1.LogEntryService/ListLogEntries": "log_entries read",
    "crm.identity.v1.LogEntryService/ListOwnLogEntries": "self",
    "crm.identity.v1.LogEntryService/GetLogEntryProof": "log_entries read",
    "crm.identity.v1.LogEntryService/VerifyLogEntries": "log_entries read",
    "crm.identity.v1.ApiClientSecretService/AddSecret": "api_clients configure",
    "crm.identity.v1.ApiClientSecretService/RemoveSecret": "api_clients configure",
    "crm.identity.v1.ClientTokenService/CreateClientToken": "internal",
    "crm.identity.v1.ClientTokenService/RevokeClientToken": "internal",
    "crm.identity.v1.PreferencesService/GetPreferences": "self",
    "crm.identity.v1.PreferencesService/UpdatePreferences": "self",
    "crm.identity.v1.PresenceService/ListOnlineUsers": "users read",
    "crm.identity.v1.PresenceService/TouchSessions": "internal",
    "crm.identity.v1.AnnouncementReceiptService/ListInbox": "self",
    "crm.identity.v1.AnnouncementReceiptService/MarkRead": "self",
    "crm.identity.v1.AnnouncementReceiptService/ListReceipts": "announcements read",
    "crm.identity.v1.TenantService/CreateTenant": "internal",
    "crm.identity.v1.TenantService/ListTenants": "internal",
    "crm.identity.v1.TenantService/SuspendTenant": "internal",
    "crm.identity.v1.TenantService/ResumeTenant": "internal",
    "crm.sales.v1.OpportunityTransitionService/WinOpportunity": "opportunities update",
    "crm.sales.v1.OpportunityTransitionService/LoseOpportunity": "opportunities update",
    "crm.sales.v1.OpportunityTransitionService/MoveOpportunity": "opportunities update",
    "crm.sales.v1.OpportunityTransitionService/ReopenOpportunity": "opportunities update",
    "crm.customer.v1.CustomerTransitionService/ChangeLifeCycle": "customers update",
    "crm.sales.v1.StageMoveService/ListStageMoves": "opportunities read",
    "crm.reporting.v1.ReportService/GetPipelineSummary": "opportunities read",
    "crm.chassis.v1.AccessService/ExplainAccess": "self clients",
    "crm.identity.v1.TransferService/CreateTransfer": "users configure",
    "crm.chassis.v1.BulkService/PreviewBulk": "self clients",
    "crm.chassis.v1.BulkService/CreateBulk": "self clients",
    "crm.chassis.v1.ExportService/CreateExport": "self clients",
    "crm.chassis.v1.HistoryService/ListHistory": "self clients",
    **{
        f"crm.chassis.v1.{name}Service/{method}{name}{'s' * many(method)}": "self clients"
        for name in ("CustomField", "Choice")
        for method in STANDARD
    },
    "crm.chassis.v1.HistoryService/ListCustomFieldHistory": "self clients",
    "crm.chassis.v1.HistoryService/ListChoiceHistory": "self clients",
    "crm.chassis.v1.CustomFieldIndexService/BuildCustomFieldIndex": "self clients",
    "crm.chassis.v1.CustomFieldIndexService/DropCustomFieldIndex": "self clients",
    "crm.chassis.v1.DescribeService/DescribeResource": "self clients",
    "crm.chassis.v1.ShareService/ListShares": "self clients",
    "crm.chassis.v1.ShareService/CreateShare": "self clients",
    "crm.chassis.v1.ShareService/DeleteShare": "self clients",
    "crm.chassis.v1.ImportService/UploadFile": "self clients",
    "crm.chassis.v1.ImportService/CreateImport": "self clients",
    "crm.chassis.v1.LookupService/LookupRecords": "self clients",
    "crm.chassis.v1.LookupService/GetLabels": "self clients",
    "crm.chassis.v1.LookupService/ListOwnedCollections": "internal",
    "crm.chassis.v1.LookupService/CheckRecords": "internal",
    "crm.chassis.v1.OperationService/GetOperation": "self clients",
    "crm.chassis.v1.OperationService/ListOperations": "self clients",
    "crm.chassis.v1.OperationService/CancelOperation": "self clients",
    "crm.chassis.v1.OperationService/UndoOperation": "self clients",
    "crm.chassis.v1.OperationService/DownloadResult": "self clients",
    "crm.chassis.v1.OperationService/DownloadErrors": "self clients",
    "crm.chassis.v1.PurgeService/PurgeRecord": "self clients",
    "crm.chassis.v1.PurgeService/CheckReferrers": "internal",
    "crm.event.v1.ChangeService/StreamSnapshot": "internal",
    "crm.event.v1.ChangeService/ListChanges": "internal",
}
WITHOUT_COLLECTIONS = "reporting"


def policy() -> dict[str, str]:
    """The rule of every method by full name: "open", "internal", "self" (with " clients" when API
    clients may call it, too) or "<resource> <verb>".
    """
    return {**SPECIAL, **dict(_standard())}


def processes(method: str) -> tuple[str, ...]:
    """The processes that serve a method."""
    package = method.split(".")[1]
    if package in SERVICES:
        return (package,)
    worked_on = method.split("/", maxsplit=1)[0] in {
        "crm.chassis.v1.BulkService",
        "crm.chassis.v1.ExportService",
        "crm.chassis.v1.ImportService",
        "crm.chassis.v1.OperationService",
    }
    return tuple(one for one in SERVICES if not (worked_on and one == WITHOUT_COLLECTIONS))


def _standard() -> Iterator[tuple[str, str]]:
    for process, resources in COLLECTIONS.items():
        for name, plural in resources.items():
            for method, verb in STANDARD.items():
                of = PLURALS.get(name, f"{name}s") if many(method) else name
                yield f"crm.{process}.v1.{name}Service/{method}{of}", f"{plural} {verb}"
