"""Who may call what, written down once more beside the protos: a method without a row here, or
with another rule than its row, fails the test.
"""

from collections.abc import Iterator, Mapping

from crm.chassis.v1 import bulk_pb2, export_pb2, import_pb2, operation_pb2
from crm.customer.v1 import contact_pb2, customer_pb2
from crm.event.v1 import change_pb2
from crm.identity.v1 import (
    department_pb2,
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
    import_pb2, operation_pb2, contact_pb2, customer_pb2, change_pb2, department_pb2, role_pb2,
    session_pb2, tenant_pb2, user_pb2, campaign_member_pb2, campaign_pb2, report_pb2,
    opportunity_pb2, opportunity_transition_pb2, pipeline_pb2, product_pb2, stage_move_pb2,
    stage_pb2, bulk_pb2, export_pb2, transfer_pb2,
)  # fmt: skip
# Collections with the standard methods, by process.
COLLECTIONS: Mapping[str, Mapping[str, str]] = {
    "identity": {"User": "users", "Department": "departments", "Role": "roles"},
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
SPECIAL: Mapping[str, str] = {
    "crm.identity.v1.SessionService/CreateSession": "internal",
    "crm.identity.v1.SessionService/RefreshSession": "internal",
    "crm.identity.v1.SessionService/DeleteSession": "self",
    "crm.identity.v1.SessionService/ChangePassword": "self",
    "crm.identity.v1.UserService/GetOwnUser": "self",
    "crm.identity.v1.SessionService/ExchangeToken": "internal",
    "crm.identity.v1.SessionService/IssueServiceToken": "open",
    "crm.identity.v1.SessionService/IssueDeferredToken": "internal",
    "crm.identity.v1.SessionService/GetKeys": "open",
    "crm.identity.v1.SessionService/GetAccess": "internal",
    "crm.identity.v1.TenantService/CreateTenant": "internal",
    "crm.identity.v1.TenantService/ListTenants": "internal",
    "crm.sales.v1.OpportunityTransitionService/WinOpportunity": "opportunities update",
    "crm.sales.v1.OpportunityTransitionService/LoseOpportunity": "opportunities update",
    "crm.sales.v1.OpportunityTransitionService/MoveOpportunity": "opportunities update",
    "crm.sales.v1.OpportunityTransitionService/ReopenOpportunity": "opportunities update",
    "crm.sales.v1.StageMoveService/ListStageMoves": "opportunities read",
    "crm.reporting.v1.ReportService/GetPipelineSummary": "opportunities read",
    "crm.identity.v1.TransferService/CreateTransfer": "users configure",
    "crm.chassis.v1.BulkService/PreviewBulk": "self",
    "crm.chassis.v1.BulkService/CreateBulk": "self",
    "crm.chassis.v1.ExportService/CreateExport": "self",
    "crm.chassis.v1.ImportService/UploadFile": "self",
    "crm.chassis.v1.ImportService/CreateImport": "self",
    "crm.chassis.v1.LookupService/LookupRecords": "self",
    "crm.chassis.v1.LookupService/GetLabels": "self",
    "crm.chassis.v1.LookupService/ListOwnedCollections": "internal",
    "crm.chassis.v1.LookupService/CheckRecords": "internal",
    "crm.chassis.v1.OperationService/GetOperation": "self",
    "crm.chassis.v1.OperationService/ListOperations": "self",
    "crm.chassis.v1.OperationService/CancelOperation": "self",
    "crm.chassis.v1.OperationService/UndoOperation": "self",
    "crm.chassis.v1.OperationService/DownloadResult": "self",
    "crm.chassis.v1.OperationService/DownloadErrors": "self",
    "crm.event.v1.ChangeService/StreamSnapshot": "internal",
    "crm.event.v1.ChangeService/ListChanges": "internal",
}
WITHOUT_COLLECTIONS = "reporting"


def policy() -> dict[str, str]:
    """The rule of every method by full name: "open", "internal", "self" or "<resource> <verb>"."""
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
                plural_named = method == "List" or method.startswith("Batch")
                many = PLURALS.get(name, f"{name}s") if plural_named else name
                yield f"crm.{process}.v1.{name}Service/{method}{many}", f"{plural} {verb}"
